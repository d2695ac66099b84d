"""Rules that keep guests on networks in user mode away from the host: who takes them away is seen, and one apply loads them again.

One VM of QEMU with such a network, in network and mount namespaces of its own; its guest is a blank disk, because nothing here depends on
what runs in it. What the rules do is tried in `tests/providers/vmm/test_loopback.py`.
"""

import os
import shutil
from collections.abc import Iterator

import pytest

from herocloud.kits import interfaces
from herocloud.providers.vmm import cages, users
from tests.guests.conftest import Namespace, Site

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(users.usable_range() is None, reason="needs root, and users for VMs"),
    pytest.mark.skipif(os.geteuid() == 0 and not cages.can_mount(), reason="needs the right to mount"),
    pytest.mark.skipif(interfaces.namespace_number() is None, reason="needs Linux 5.14, which numbers network namespaces"),
]

STACK = """\
stack: shop
images:
  blank: {source: ./blank.raw, format: raw, nocloud: true}
networks:
  lan: {cidr: 10.42.0.0/24, nat: true, mode: user}
vms:
  web: {image: blank, memory: 128 MiB, networks: [lan], root_disk: {size: 1 MiB}}
"""

KINDS = {
    "no table": "nft delete table inet herocloud-vms",
    "all rules of the host gone": "nft flush ruleset",
    "a table that sleeps": "nft 'table inet herocloud-vms { flags dormant; }'",
    "no rule that sends anybody there": "nft flush chain inet herocloud-vms output",
    "one more user of a VM let through": "nft insert rule inet herocloud-vms host meta skuid 1879048200 accept",
    "nobody in the set": "nft flush set inet herocloud-vms users",
    "a hole before the rejection": "nft insert rule inet herocloud-vms host tcp dport 9999 accept",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    for program in ("qemu-system-x86_64", "nft", "ip", "unshare", "nsenter"):
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            pytest.skip(f"needs the program `{program}`")
    folder = tmp_path_factory.mktemp("user")
    for above in (folder, folder.parent):
        above.chmod(0o755)
    inside = Namespace()
    site = Site(folder, "qemu", inside.prefix)
    (site.folder / "stack.yaml").write_text(STACK)
    (site.folder / "blank.raw").write_bytes(bytes(1024**2))
    try:
        site.done("apply", "-y", "-q")
        yield site
    finally:
        site("vm", "stop", "web", "--force")
        site("destroy", "-y", "-q", "--purge")
        tables = site.run("nft", "list", "tables").stdout
        inside.close()
    assert "herocloud" not in tables, "the rules go with the last VM"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_tampered_with_shows_and_is_healed_by_one_apply(site: Site, kind: str) -> None:
    assert site.done("plan").strip() == "No changes."
    before = site.run("nft", "list", "ruleset").stdout
    assert "reject" in before
    ran = site.run("sh", "-ec", KINDS[kind])
    assert ran.returncode == 0, ran.stderr
    seen = site("drift", "--detailed-exitcode")
    assert seen.returncode == 2, seen.stdout + seen.stderr
    assert "host" in seen.stdout
    site.done("apply", "-y", "-q", "--approve", "update")
    assert site.done("plan").strip() == "No changes."
    assert site.run("nft", "list", "ruleset").stdout == before
