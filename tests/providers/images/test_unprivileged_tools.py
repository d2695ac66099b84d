"""What reads an image of a stranger is not root."""

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers.images import foreign_programs, formats


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


@pytest.mark.root
@pytest.mark.skipif(not _may_mount(), reason="needs root with the right to mount")
def test_what_unpacks_sees_nothing_of_where_herocloud_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As the daemon is: `python -m` puts the working directory first, and that is the root of the host.
    monkeypatch.setattr(sys, "path", ["/", *sys.path])
    monkeypatch.setattr(foreign_programs, "_CHILD", "import os, sys; sys.stdout.write(' '.join(os.listdir('/')))")
    (tmp_path / "image").write_bytes(b"x")
    seen = b"".join(foreign_programs.unpack(tmp_path / "image", "gzip", 64 * 1024**2)).decode().split()
    assert {"usr", "proc"} <= set(seen)
    assert {"boot", "home", "mnt", "opt", "run", "srv", "var"}.isdisjoint(seen)


@pytest.mark.world
def test_a_packed_image_is_read_wherever_the_command_is_called(herocloud: Any) -> None:
    # The data folder below the working directory is closed to the user who unpacks.
    (herocloud.data_folder / "host.yaml").write_text("images: {share: 1.0, keep_free: 0 B}\n", encoding="utf-8")
    with gzip.open(herocloud.data_folder.parent / "disk.raw.gz", "wb") as stream:
        stream.write(bytes(512) + b"x" * 512)
    text = "stack: s\nimages: {i: {source: ./disk.raw.gz, format: raw, decompress: gzip}}\n"
    (herocloud.data_folder.parent / "stack.yaml").write_text(text, encoding="utf-8")
    words = [sys.executable, "-m", "herocloud", "image", "pull", "i"]
    ran = subprocess.run(words, cwd=herocloud.data_folder.parent, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
