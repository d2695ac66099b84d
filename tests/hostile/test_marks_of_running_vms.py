"""The files that say what a VM is and whose it is, removed or changed while it runs: seen as that, healed by one apply, and it goes on.

Two VMs of QEMU and one of Cloud Hypervisor (its stand-in, so that the page is the same everywhere), in network and mount namespaces of
their own. What happens to one of them concerns no other stack.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers.vmm import cages, identity
from tests.guests.conftest import Namespace, Site
from tests.providers.cloud_hypervisor.conftest import STAND_IN, _elf

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(os.geteuid() == 0 and not cages.can_mount(), reason="needs the right to mount"),
]

STACK = """\
stack: shop
images:
  blank: {source: ./blank.raw, format: raw, nocloud: true}
  bare: {kernel: ./vmlinux, cmdline: console=ttyS0}
networks:
  lan: {cidr: 10.42.0.0/24}
vms:
  web: {image: blank, hypervisor: qemu, memory: 128 MiB, networks: [lan], root_disk: {size: 1 MiB}, restart: always}
  db: {image: blank, hypervisor: qemu, memory: 128 MiB, networks: [lan], root_disk: {size: 1 MiB}}
  tool: {image: bare, hypervisor: cloud-hypervisor, memory: 64 MiB, networks: [lan], restart: always}
"""
OTHER = """\
stack: other
volumes:
  data: {size: 1 MiB}
"""


class Host:
    """A real host with three VMs that run."""

    def __init__(self, site: Site, programs: Path) -> None:
        self.site = site
        site.environment |= {"PATH": f"{programs}:{os.environ['PATH']}"}
        (site.data / "host.yaml").write_text("name: node1\nqemu: {accelerator: tcg}\nimages: {keep_free: 64 MiB}\n")
        (site.data / "host.yaml").chmod(0o644)
        (site.folder / "blank.raw").write_bytes(bytes(1024**2))
        (site.folder / "vmlinux").write_bytes(_elf())
        (site.folder / "stack.yaml").write_text(STACK)
        (site.folder / "other.yaml").write_text(OTHER)
        site.done("apply", "-y", "-q")
        site.done("apply", "-y", "-q", "-f", "other.yaml")
        self.sids = {name: site.sid(name) for name in ("web", "db", "tool")}

    def folder(self, vm: str) -> Path:
        return self.site.data / "vms" / self.sids[vm]

    def mark(self, vm: str) -> Path:
        return self.folder(vm) / "vmm/machine.json"

    def owner(self, vm: str) -> Path:
        return self.folder(vm) / "owner.json"

    def processes(self) -> dict[str, identity.Identity | None]:
        return {vm: identity.running(self.site.data, sid) for vm, sid in self.sids.items()}


Act = Callable[[Path], None]


def _field(name: str, value: Any) -> Act:
    """Change one field of a file of JSON, `launched.boots` say."""

    def act(path: Path) -> None:
        body = json.loads(path.read_bytes())
        inner = body
        *outer, last = name.split(".")
        for key in outer:
            inner = inner[key]
        inner[last] = value
        path.write_text(json.dumps(body))

    return act


def _instead(make: Callable[[Path], None]) -> Act:
    def act(path: Path) -> None:
        path.unlink()
        make(path)

    return act


def _earlier(name: str, value: Any) -> Act:
    """Change one field of a mark as an earlier herocloud wrote it, which has no digest."""

    def act(path: Path) -> None:
        _field(name, value)(path)
        body = json.loads(path.read_bytes())
        path.write_text(json.dumps({**{key: value for key, value in body.items() if key != "digest"}, "version": 1}))

    return act


MARKS: dict[str, Act] = {
    "removed": lambda path: path.unlink(),
    "one letter": lambda path: path.write_text("x"),
    "not booted": _field("booted", None),
    "another provider": _field("provider", "nobody"),
    "another hypervisor": _field("provider", "cloud-hypervisor"),
    "another root disk": _field("machine.root", "/etc/passwd"),
    "of an earlier version, launched is nothing": _earlier("launched", None),
    "a pipe": _instead(os.mkfifo),
    "a link to a device without end": _instead(lambda path: path.symlink_to("/dev/zero")),
}
OWNERS: dict[str, Act] = {
    "removed": lambda path: path.unlink(),
    "a list": lambda path: path.write_text("[]"),
    "another stack": _field("stack", "sho\x1b[31mp"),
    "another state": _field("lineage", "0" * 32),
    "a pipe": _instead(os.mkfifo),
    "a link to a device without end": _instead(lambda path: path.symlink_to("/dev/zero")),
}
"""More shapes of both are read in `tests/providers/vmm/test_marks.py` and `tests/providers/test_ownership.py`."""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    for program in ("qemu-system-x86_64", "nft", "ip", "unshare", "nsenter"):
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            pytest.skip(f"needs the program `{program}`")
    if not Path("/dev/kvm").exists() or not Path("/dev/net/tun").exists():
        pytest.skip("needs /dev/kvm and /dev/net/tun")
    place = Path(tempfile.mkdtemp(prefix="hc-marks-", dir="/var/tmp"))
    programs = place / "programs"
    programs.mkdir()
    for one in (place, programs):
        one.chmod(0o755)
    (programs / "cloud-hypervisor").symlink_to(STAND_IN)
    namespace = Namespace()
    site = Site(place, "qemu", namespace.prefix)
    del site.environment["HEROCLOUD_HYPERVISOR"]
    try:
        yield Host(site, programs)
    finally:
        for vm in ("web", "db", "tool"):
            site("vm", "stop", vm, "--force")
        site("destroy", "-y", "-q", "--purge")
        site.tidy()
        namespace.close()
        shutil.rmtree(place)


def _is_healed_and_goes_on(host: Host, word: str, tamper: Callable[[], None]) -> None:
    before = host.processes()
    assert None not in before.values()
    tamper()
    seen = host.site("drift", "--detailed-exitcode", "--stack", "shop")
    assert (seen.returncode, word in seen.stdout, "\x1b" in seen.stdout) == (2, True, False), seen.stdout + seen.stderr
    applied = host.site.done("apply", "-y")
    assert ("1 changed" in applied, "create" in applied) == (True, False), applied
    assert host.site.done("plan").strip() == "No changes."
    assert host.processes() == before


@pytest.mark.parametrize("kind", MARKS)
def test_a_mark_that_was_lost_is_written_again_and_the_vm_goes_on(host: Host, kind: str) -> None:
    _is_healed_and_goes_on(host, "machine.mark", lambda: MARKS[kind](host.mark("web")))


@pytest.mark.parametrize("kind", ["removed", "another provider"])
def test_so_is_that_of_another_hypervisor(host: Host, kind: str) -> None:
    _is_healed_and_goes_on(host, "machine.mark", lambda: MARKS[kind](host.mark("tool")))


@pytest.mark.parametrize("kind", OWNERS)
def test_whose_a_vm_is_is_written_again_and_the_vm_goes_on(host: Host, kind: str) -> None:
    _is_healed_and_goes_on(host, "machine.owner", lambda: OWNERS[kind](host.owner("web")))


@pytest.mark.parametrize(("vm", "other"), [("db", "web"), ("web", "db")])
def test_two_folders_that_name_one_vm_are_told_apart_by_the_record(host: Host, vm: str, other: str) -> None:
    _is_healed_and_goes_on(host, "machine.owner", lambda: host.owner(vm).write_bytes(host.owner(other).read_bytes()))


def test_a_mark_that_is_copied_from_another_vm_is_none(host: Host) -> None:
    _is_healed_and_goes_on(host, "machine.mark", lambda: host.mark("web").write_bytes(host.mark("db").read_bytes()))


SIDE_FILES: dict[str, Callable[[Host], Path]] = {
    "disk": lambda host: host.folder("db") / "root.raw.mark",
    "seed": lambda host: host.folder("db") / "seed.iso.mark",
    "image": lambda host: host.site.data / "images/names/shop/blank.mark",
}
"""More shapes of these are read in `tests/providers/images/test_lost_marks.py`."""


@pytest.mark.parametrize("part", SIDE_FILES)
@pytest.mark.parametrize("kind", ["removed", "one letter", "a pipe"])
def test_so_is_what_lies_beside_the_files_of_a_vm(host: Host, part: str, kind: str) -> None:
    place = SIDE_FILES[part](host)
    disk = host.folder("db") / "root.raw"
    inode = disk.stat().st_ino
    MARKS[kind](place)
    assert host.site.done("plan", "-f", "other.yaml").strip() == "No changes."
    _is_healed_and_goes_on(host, f"{part}.mark", lambda: None)
    assert (place.is_file(), disk.stat().st_ino) == (True, inode)


def test_a_damaged_mark_of_a_volume_concerns_its_own_stack_alone(host: Host) -> None:
    place = host.site.data / "volumes/other/data.raw.mark"
    place.write_text("x")
    assert host.site.done("plan").strip() == "No changes."
    assert "volume.mark unreadable" in host.site.done("apply", "-y", "-f", "other.yaml")
    assert host.site.done("plan", "-f", "other.yaml").strip() == "No changes."


def test_a_disk_that_nothing_proves_to_be_the_one_that_runs_is_refused_before_anything_stops(host: Host) -> None:
    before, root = host.processes(), host.folder("db") / "root.raw"
    mark = root.with_name("root.raw.mark")
    mark.rename(root.with_name("kept"))
    root.rename(root.with_name("moved"))
    shutil.copyfile(root.with_name("moved"), root)
    try:
        applied = host.site("apply", "-y")
        assert applied.returncode == 1
        assert "the file of `vm.db`, is not what its VM has open now" in applied.stderr
        assert "put the file back, or remove what lies there" in applied.stderr
        assert host.processes() == before
    finally:
        root.with_name("moved").replace(root)
        root.with_name("kept").replace(mark)
    assert host.site.done("plan").strip() == "No changes."


def test_a_disk_that_somebody_made_larger_stays_that_large_and_its_vm_goes_on(host: Host) -> None:
    before, root = host.processes(), host.folder("db") / "root.raw"
    os.truncate(root, 2 * 1024**2)
    try:
        applied = host.site.done("apply", "-y")
        assert "disk.size 1 MiB → 2 MiB, grown outside herocloud; a disk does not shrink" in applied
        assert host.site.done("plan").strip() == "No changes."
        assert (host.processes(), root.stat().st_size) == (before, 2 * 1024**2)
    finally:
        os.truncate(root, 1024**2)
        host.site("apply", "-y", "-q")


def test_nobody_wants_a_loss_back(host: Host) -> None:
    before = host.processes()
    host.mark("web").unlink()
    host.site.done("apply", "-y", "-q")
    recorded = host.site.done("--json", "state", "show", "vm.web")
    latest = json.loads(host.site.done("--json", "state", "log"))["history"][0]
    ran = host.site("undo", latest["apply"], "-y")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert host.site.done("--json", "state", "show", "vm.web") == recorded
    assert host.site.done("plan").strip() == "No changes."
    assert host.processes() == before


def test_where_all_that_tells_of_a_vmm_is_gone_it_is_found_by_what_it_holds(host: Host) -> None:
    before = host.processes()
    shutil.rmtree(host.folder("db") / "vmm")
    assert host.site("drift", "--detailed-exitcode").returncode == 2
    host.site.done("apply", "-y", "-q")
    assert host.site.done("plan").strip() == "No changes."
    assert host.processes() == before
    # It is kept as before: nobody who stops it meets what is left of another keeper.
    host.site.done("vm", "stop", "db", "--force")
    assert host.processes() == {**before, "db": None}
    host.site.done("vm", "start", "db")
    assert host.site.done("plan").strip() == "No changes."


def test_what_is_damaged_concerns_no_other_stack_and_a_removal_only_stops_its_own(host: Host) -> None:
    before = host.processes()
    host.mark("db").write_text("x")
    host.owner("web").write_text("[]")
    assert host.site.done("plan", "-f", "other.yaml").strip() == "No changes."
    assert host.site("drift", "--detailed-exitcode", "--stack", "other").returncode == 0
    assert json.loads(host.site.done("--json", "vm", "list"))
    host.site.done("vm", "stop", "db", "--force")
    after = host.processes()
    assert after == {**before, "db": None}
    host.site.done("apply", "-y", "-q")
    assert host.site.done("plan").strip() == "No changes."
    after = host.processes()
    assert (after["web"], after["tool"], after["db"] is None) == (before["web"], before["tool"], False)
