"""What reads an image of a stranger is not root."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from herocloud.providers.images import formats


def _may_mount() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    words = ["unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@pytest.mark.root
@pytest.mark.skipif(not _may_mount(), reason="needs root with the right to mount")
def test_qemu_img_is_not_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "qemu-img"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nprintf \'{"virtual-size": %s}\' "$(id -u)"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    (tmp_path / "image").write_bytes(b"QFI\xfb")
    assert formats.virtual_size(tmp_path / "image", "qcow2") > 0
