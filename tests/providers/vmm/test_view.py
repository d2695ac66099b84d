"""What a process in its cage sees of the host's programs: all of them, and none of them to be changed."""

import os
import subprocess
from pathlib import Path

import pytest

from herocloud.providers.vmm import cages, jail_command

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(os.geteuid() == 0 and not cages.can_mount(), reason="needs the right to mount"),
]

_PLACE = "/usr/share/a place"
_PREPARE = f"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /usr/share
mkdir -m 0777 "{_PLACE}"
mount -t tmpfs -o mode=0777 tmpfs "{_PLACE}"
touch "{_PLACE}/there"
shift
exec "$@"
"""
"""A host with two mounts below /usr, one in the other, in a namespace that ends with it."""


@pytest.fixture
def caged(tmp_path: Path) -> str:
    """Return what a shell says in the view of a VM."""
    stage = tmp_path / "stage"
    stage.mkdir()
    script = f'grep " /usr" /proc/self/mountinfo | cut -d" " -f5,6; ls "{_PLACE}"; echo x 2>&1 >"{_PLACE}/mine"; ls "{_PLACE}"'
    orders = [("view", ""), ("confined", ""), ("program", "/bin/sh"), ("word", "sh"), ("word", "-c"), ("word", script)]
    orders += [("environment", "PATH=/usr/bin:/bin")]
    path = stage / "orders"
    path.write_text("".join(f"{name}\0{value}\0" for name, value in orders))
    path.chmod(0o600)
    words = ["unshare", "--mount", "sh", "-c", _PREPARE, "sh", "-", *jail_command.words("run", str(path), "")]
    ran = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    return ran.stdout + ran.stderr


def test_what_is_mounted_below_the_programs_is_seen_and_not_written(caged: str) -> None:
    mounts = {place: options.split(",") for place, options in (line.split(" ") for line in caged.splitlines() if line.startswith("/usr"))}
    assert {"/usr/share", _PLACE.replace(" ", "\\040")} <= set(mounts), caged
    loose = {place: options for place, options in mounts.items() if not {"ro", "nosuid", "nodev"} <= set(options)}
    assert loose == {}
    assert "there" in caged.splitlines()
    assert "mine" not in caged.splitlines()
