"""A user without any right runs the example stack with real guests: no bridge, no KVM, no root."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.guests import ordinary

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.guest, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def site(qemu, tiny_image, make_folder_site):
    """Return the example stack, applied by an ordinary user."""
    if os.geteuid() == 0:
        tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
        if tried.returncode:
            pytest.skip(f"no mount namespace can be made here ({tried.stderr.strip()})")
    # The folders of pytest are closed to others, and sockets want a short path.
    folder = Path(tempfile.mkdtemp(prefix="herocloud-user-"))
    folder.chmod(0o755)
    site = make_folder_site(folder, "auto", ordinary.prefix(folder / "staging", ordinary.folders()))
    shutil.copy(ROOT / "stacks" / "tiny-pair" / "stack.yaml", site.folder)
    shutil.copy(tiny_image.kernel, site.folder / "vmlinuz")
    shutil.copy(tiny_image.initramfs, site.folder / "initramfs")
    site.port = site.free_port()
    site.environment |= {"HEROCLOUD_VAR_port": str(site.port), "XDG_RUNTIME_DIR": str(folder / "run"), "HOME": str(folder)}
    (folder / "run").mkdir(mode=0o700)
    if os.geteuid() == 0:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, ordinary.USER, ordinary.USER)
    yield site
    site("destroy", "-y")
    site.tidy()
    shutil.rmtree(folder)


def test_the_whole_life_of_a_stack_needs_no_rights(site, waiting) -> None:
    assert site.run(sys.executable, "-c", "import os; print(os.geteuid() != 0)").stdout == "True\n"
    planned = site("plan")
    assert "Networks in user mode" in planned.stderr
    assert "do not reach each other" in planned.stderr
    assert "with TCG" in planned.stderr or "with KVM" in planned.stderr
    assert "Done: 4 added" in site.done("apply", "-y")
    site.done("vm", "wait")
    assert site.done("plan") == "No changes.\n"
    assert site.done("drift") == "No drift.\n"

    assert waiting(lambda: site.page(f"http://127.0.0.1:{site.port}/"), "the page of one").strip().endswith("<p>one is up.</p>")
    assert site.shell("two", "ip -4 -o addr show eth0 | awk '{print $4}'") == "10.77.0.3/24"
    assert site.shell("two", "ip route | awk '/default/ {print $3}'") == "10.77.0.1"
    # Each VM has a network of its own: the neighbour's address leads nowhere.
    assert site.inside("two", "ping", "-c", "1", "-W", "2", "10.77.0.2")[0] != 0

    modes = {path.stat().st_uid for path in site.data.rglob("*")}
    assert modes == {65534 if os.geteuid() == 0 else os.geteuid()}
    note = json.loads((site.data / "user-networks" / "tiny-pair" / "lan.json").read_text())
    assert [(one["host_port"], one["address"]) for one in note["forward"]] == [(site.port, "10.77.0.2")]

    text = (site.folder / "stack.yaml").read_text()
    (site.folder / "stack.yaml").write_text(text.replace("port: 80}]", "port: 80}, {host_port: 1, vm: two, port: 80}]"))
    refused = site("plan")
    assert refused.returncode == 1
    assert "Forwarded ports of a running VM cannot be changed in user mode" in refused.stderr
    (site.folder / "stack.yaml").write_text(text)

    assert "Done: 4 destroyed" in site.done("destroy", "-y")
    assert not list(site.data.glob("vms/*"))
    assert not list((site.data / "user-networks").rglob("*.json"))
