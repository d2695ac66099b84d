"""Every process that herocloud leaves running on a real host: what /proc says of it, and what the user of a VM gets of all the others.

One VM of QEMU with a volume, a share and a card, one of Cloud Hypervisor (its stand-in, so that the page is the same everywhere), the
overlay (its stand-in) and the daemon run beside each other, started by a shell that has a password in its environment. Whatever runs in
their network namespace, and whatever one of these started, is ours.

The files in `processes_of_ours/` say what is to be found. `pytest --snapshot-update` writes them anew; read the diff before you commit it.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import herocloud
from herocloud.providers.vmm import cages, folders, users, virtiofs
from tests.guests.conftest import Namespace, Site
from tests.providers.vmm import process_facts

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(os.geteuid() == 0 and not cages.can_mount(), reason="needs the right to mount"),
]

GOLDEN = Path(__file__).with_name("processes_of_ours")
PROVIDERS = Path(__file__).resolve().parent.parent / "providers"
PASSWORD = "correct-horse-battery-staple"  # noqa: S105  (it opens nothing)

STACK = """\
stack: shop
images:
  blank: {source: ./blank.raw, format: raw, nocloud: true}
  bare: {kernel: ./vmlinux, cmdline: console=ttyS0}
networks:
  lan: {cidr: 10.42.0.0/24}
volumes:
  data: {size: 8 MiB}
  other: {size: 8 MiB}
mycelium: {}
vms:
  web:
    image: blank
    hypervisor: qemu
    memory: 256 MiB
    networks: [lan]
    volumes: [data]
    root_disk: {size: 8 MiB}
    restart: always
    mycelium: true
    env: {GREETING: hello}
    shares: [{path: ./shared, tag: shared}]
  tool: {image: bare, hypervisor: cloud-hypervisor, memory: 256 MiB, restart: always, networks: [lan], volumes: [other]}
"""

_TRY = """
import json, os, socket, sys
wanted = json.load(sys.stdin)
def attempt(what, act):
    try:
        act()
    except (OSError, ValueError):
        return
    print(what)
for path in wanted["files"]:
    attempt(f"reads {path}", lambda: open(path, "rb").read(1))
    attempt(f"writes {path}", lambda: open(path, "r+b").close())
for path in wanted["folders"]:
    attempt(f"lists {path}", lambda: os.listdir(path))
    attempt(f"makes a file in {path}", lambda: (open(path + "/planted", "x").close(), os.unlink(path + "/planted")))
    attempt(f"makes a link in {path}", lambda: (os.symlink("/etc/passwd", path + "/linked"), os.unlink(path + "/linked")))
for path in wanted["sockets"]:
    attempt(f"connects to {path}", lambda: socket.socket(socket.AF_UNIX).connect(path))
for path in wanted["listeners"]:
    attempt(f"connects to {path[0]} port {path[1]}", lambda: socket.create_connection(tuple(path), timeout=5).close())
for pid, role in wanted["processes"].items():
    attempt(f"signals the {role}", lambda: os.kill(int(pid), 0))
    for name in ("environ", "mem", "fd", "root", "cwd"):
        place = f"/proc/{pid}/{name}"
        attempt(f"looks at {name} of the {role}", lambda: os.listdir(place) if name in ("fd", "root", "cwd") else open(place, "rb").read(1))
attempt("becomes root", lambda: os.setuid(0))
"""


class Host:
    """A real host with everything on it that herocloud can start."""

    def __init__(self, site: Site, namespace: Namespace, programs: Path) -> None:
        self.site, self.namespace = site, namespace
        site.environment |= {"PATH": f"{programs}:{os.environ['PATH']}", "DB_PASSWORD": PASSWORD}
        (site.data / "host.yaml").write_text("name: node1\nqemu: {accelerator: tcg}\nimages: {keep_free: 64 MiB}\n")
        (site.data / "host.yaml").chmod(0o644)
        (site.folder / "blank.raw").write_bytes(bytes(1024**2))
        (site.folder / "vmlinux").write_bytes(_elf())
        (site.folder / "shared").mkdir()
        (site.folder / "stack.yaml").write_text(STACK)
        site.done("mycelium", "key", "create", "host")
        site.done("apply", "-y", "-q")
        site.done("daemon", "run", "--detach")
        self.sids = {name: site.sid(name) for name in ("web", "tool")}
        self.daemon = int(json.loads((site.data / "daemon.json").read_text())["pid"])

    def pids(self) -> dict[int, int]:
        """Return what runs here with the process that started it, except for what keeps the namespace and for helpers of the daemon."""
        network, parents, ours = Path(f"/proc/{self.namespace.pid}/ns/net").readlink(), {}, set()
        for pid in sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()):
            with contextlib.suppress(OSError):
                parents[pid] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
                if Path(f"/proc/{pid}/ns/net").readlink() == network or parents[pid] in ours:
                    ours.add(pid)
        ours -= {self.namespace.pid, *(pid for pid in ours if parents[pid] == self.daemon)}
        return {pid: parents[pid] for pid in ours}

    def roles(self) -> dict[int, str]:
        """Name what runs here by what it is."""
        found = self.pids()
        names = {pid: self._role(pid) for pid in found}
        for pid, parent in found.items():
            if names[pid] in ("sleep", names.get(parent)):
                names[pid] = f"{'pause' if names[pid] == 'sleep' else 'child'} of {names.get(parent, 'nobody')}"
        return names

    def _role(self, pid: int) -> str:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        text = " ".join(words)
        vm = next((name for name, sid in self.sids.items() if sid in text), "the overlay")
        if words[:2] == ["/bin/sh", "-c"] and words[3:]:
            kind, record = words[3], Path(words[4]).name
            return f"log shell of {vm}" if kind == "herocloud-log" else f"keeper of {vm}, {record}"
        if words[0] == "herocloud-keeper":
            return f"keeper of {vm}, {Path(words[1]).name}"
        for piece, role in (
            ("qemu-system", f"QEMU of {vm}"),
            ("process-console", f"attendant of {vm}"),
            ("/cloud-hypervisor", f"Cloud Hypervisor of {vm}"),
            ("virtiofsd", "virtiofsd"),
            ("standin.py", "overlay daemon"),
            ("daemon run", "daemon"),
        ):
            if piece in text:
                return role
        return words[0].rpartition("/")[2]

    def describe(self, pid: int, role: str) -> list[str]:
        """Describe a process in words that are the same on every host."""
        sid = self.sids["tool" if " tool" in role else "web"]
        found = process_facts.describe(pid, self.site.data, sid, str(self.namespace.pid))
        # Hosts without them lend none.
        found = [line for line in found if not line.startswith("open /dev/vhost-")]
        if "root the host" in found:
            found = [line for line in found if not line.startswith("sees ")]
        if role == "daemon":
            # It has its files open while it looks, and what it was started with: stacks may ask for any of it.
            found = [line for line in found if not line.startswith(("open ", "environment "))]
            assert f"DB_PASSWORD={PASSWORD}" in Path(f"/proc/{pid}/environ").read_text().split("\0")
        if "virtiofsd" in role:
            # Two programs have this name, and each has a sandbox of its own making.
            found = [line for line in found if not line.startswith(("open ", "seccomp ", "capabilities ", "no new privileges ", "umask "))]
        # What is sorted was sorted by paths of this host.
        kinds = {kind: place for place, kind in enumerate(dict.fromkeys(line.partition(" ")[0] for line in found))}
        lines = dict.fromkeys(self.general(line, sid) for line in found)
        sets = ("environment", "group", "sees", "open")
        return sorted(lines, key=lambda line: (kinds[line.partition(" ")[0]], line if line.startswith(sets) else ""))

    def general(self, line: str, sid: str) -> str:
        """Take out of a line what differs from host to host."""
        if re.match(r"sees the host's /(?!proc )", line) and line.endswith(" ro,nosuid,nodev"):
            return "sees the host's programs ro,nosuid,nodev"
        if line.startswith("group "):
            return "group the VM's own"
        places = [(f"{self.site.data}/vms/{one}", f"<{name}>") for name, one in self.sids.items()]
        places += [(f"{folders.runtime_root(self.site.data)}/{one}", f"<sockets of {name}>") for name, one in self.sids.items()]
        places += [(f"{self.site.data}/boot/{one}", f"<boot files of {name}>") for name, one in self.sids.items()]
        places += [(f"<data>/boot/{one}", f"<boot files of {name}>") for name, one in self.sids.items()]
        places += [("<sockets>", f"<sockets of {next(name for name, one in self.sids.items() if one == sid)}>")]
        places += [(f"<data>/vms/{one}", f"<{name}>") for name, one in self.sids.items()]
        places += [(str(self.site.data), "<data>"), (str(self.site.folder), "<work>"), (str(self.site.folder.parent), "<site>")]
        places += [(str(folders.runtime_root(self.site.data)), "<runtime>"), (str(PROVIDERS / "cloud_hypervisor/stand_in"), "<stand-in>")]
        places += [(str(Path(herocloud.__file__).parent), "<package>")]
        for path, name in places:
            line = line.replace(path, name)
        for prefix in (sys.prefix, sys.base_prefix):
            if line.startswith(f"sees {prefix}"):
                return "sees the host's programs ro,nosuid,nodev"
        return re.sub(r"(?<=overlay-before/).*", "<boot>", re.sub(r"\b[0-9a-f]{16,64}\b", "<digest>", line))

    def page(self) -> str:
        """Describe all processes, one after the other."""
        sections = {}
        for pid, role in self.roles().items():
            with contextlib.suppress(FileNotFoundError):
                sections[role] = self.describe(pid, role)
        return "\n".join("\n".join([f"# {role}", *sections[role], ""]) for role in sorted(sections) if not role.startswith("child of"))

    def everything(self) -> dict[str, Any]:
        """List what somebody could reach for: files, folders, sockets, listeners and processes of ours."""
        found: dict[str, Any] = {"files": [], "folders": [], "sockets": [], "listeners": [["127.0.0.1", 8989]]}
        script = f"find {self.site.data} {self.site.folder.parent / 'cache'} /run/herocloud -printf '%y %p\\n'"
        for line in self.site.run("sh", "-c", script).stdout.splitlines():
            kind, _, path = line.partition(" ")
            if kind in "fds":
                found[{"f": "files", "d": "folders", "s": "sockets"}[kind]].append(path)
        found["processes"] = {str(pid): role for pid, role in self.roles().items()} | {"1": "first process", str(self.daemon): "daemon"}
        return found

    def attempt(self, vm: str, pid: int, *, inside: bool) -> str:
        """Try for all of it as the user of a VM; returns what succeeded."""
        user = users.of(self.site.data, self.sids[vm])
        words = ["nsenter", f"--mount=/proc/{pid}/ns/mnt", f"--net=/proc/{pid}/ns/net"] if inside else [*self.site.prefix]
        words += ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", f"--groups={user.shared}", "--no-new-privs"]
        words += ["/usr/bin/python3", "-I", "-c", _TRY]
        ran = subprocess.run(words, input=json.dumps(self.everything()), capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return "".join(f"{line}\n" for line in sorted({self.general(line, self.sids[vm]) for line in ran.stdout.splitlines()}))


def _elf() -> bytes:
    from tests.providers.cloud_hypervisor.conftest import _elf as small

    return small()


@pytest.fixture(scope="module", autouse=True)
def umask() -> Iterator[None]:
    """Begin with the umask of most shells: a daemon keeps what it was started with."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(scope="module")
def host(umask: None) -> Iterator[Host]:
    for program in ("qemu-system-x86_64", "nft", "ip", "unshare", "nsenter", "setpriv"):
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            pytest.skip(f"needs the program `{program}`")
    if virtiofs.find_program() is None:
        pytest.skip(f"needs the program `virtiofsd` ({virtiofs.MISSING})")
    if not Path("/dev/kvm").exists() or not Path("/dev/net/tun").exists():
        pytest.skip("needs /dev/kvm and /dev/net/tun")
    place = Path(tempfile.mkdtemp(prefix="hc-ours-", dir="/var/tmp"))
    programs = place / "programs"
    programs.mkdir()
    for one in (place, programs):
        one.chmod(0o755)
    (programs / "cloud-hypervisor").symlink_to(PROVIDERS / "cloud_hypervisor/stand_in/cloud-hypervisor")
    (programs / "mycelium").write_text(f'#!/bin/sh\nunset PWD OLDPWD\nexec "{sys.executable}" "{PROVIDERS / "mycelium/standin.py"}" "$@"\n')
    (programs / "mycelium").chmod(0o755)
    namespace = Namespace(groups=True)
    site = Site(place, "qemu", namespace.prefix)
    del site.environment["HEROCLOUD_HYPERVISOR"]
    try:
        yield Host(site, namespace, programs)
    finally:
        site("daemon", "stop")
        site("vm", "stop", "web", "tool", "--force")
        site("destroy", "-y", "-q", "--purge")
        site.tidy()
        namespace.close()
        shutil.rmtree(place)


def _is_golden(found: str, name: str, request: pytest.FixtureRequest) -> None:
    path = GOLDEN / f"{name}.txt"
    if request.config.getoption("update_snapshots"):
        path.write_text(found)
    assert found == path.read_text()


def test_every_process_is_as_the_golden_description_says(host: Host, request: pytest.FixtureRequest) -> None:
    _is_golden(host.page(), "processes", request)


def test_nothing_that_runs_for_a_vm_knows_a_password_of_who_started_it(host: Host) -> None:
    told = []
    for pid, role in host.roles().items():
        proc = Path(f"/proc/{pid}")
        with contextlib.suppress(FileNotFoundError):
            if role != "daemon" and PASSWORD in (proc / "environ").read_text() + (proc / "cmdline").read_text():
                told.append(role)
    assert told == []


@pytest.mark.parametrize("where", ["inside", "outside"])
def test_the_user_of_a_vm_gets_to_nothing_but_its_own_vm(host: Host, where: str, request: pytest.FixtureRequest) -> None:
    pid = next(pid for pid, role in host.roles().items() if role == "QEMU of web")
    _is_golden(host.attempt("web", pid, inside=where == "inside"), f"reach_{where}", request)
