"""A build that was killed leaves mounts behind; the next one ends them before it removes what is left."""

import os
import subprocess
from pathlib import Path

import pytest

from herocloud.providers.images.builds import debian_disks

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount")


@pytest.mark.root
@needs_root
def test_what_is_mounted_below_a_build_does_not_keep_it(tmp_path: Path) -> None:
    work = tmp_path / "a build"
    inner = work / "tree/dev"
    inner.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "none", str(inner)], check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    (inner / "shm").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", str(inner / "shm")], check=True)
    debian_disks.wipe(work)
    assert not work.exists()
    assert str(work).replace(" ", "\\040") not in Path("/proc/self/mountinfo").read_text(encoding="utf-8")
