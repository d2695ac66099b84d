"""Formats of disk images: checked by qemu-img, which gets the expected format and answers in JSON.

Nothing is left to its own recognition, not here and not at boot: a raw disk whose guest writes the header of a qcow2 into its first
sector would be read as one, and its backing file could be any file of the host. Images that name other files are refused for the same
reason. After the check everything is kept as raw, which every hypervisor reads and every file system copies fast.
"""

import os
from pathlib import Path
from typing import Any

from herocloud.kits import jsons
from herocloud.model.errors import Permanent
from herocloud.providers.images import cluster_tables, foreign_programs

SECTOR = 512

_BEGINNINGS = {
    b"QFI\xfb": "qcow2",
    b"KDMV": "vmdk",
    b"vhdxfile": "vhdx",
    b"conectix": "vhd",
    b"<<< ": "vdi",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\x00": "xz",
    b"\x1f\x8b": "gzip",
    b"<!DOCTYPE": "HTML",
    b"<html": "HTML",
}
_COMPRESSED = ("zstd", "xz", "gzip")


def recognize(path: Path) -> str | None:
    """Return what a file looks like by its first bytes; nothing for what may be a raw disk."""
    with path.open("rb") as stream:
        beginning = stream.read(16)
    return next((name for first, name in _BEGINNINGS.items() if beginning.startswith(first)), None)


def judge(path: Path, declared: str | None) -> str:
    """Return the format of a file, `raw` or `qcow2`; Permanent when it is not what was declared.

    Without a declaration the first bytes decide, once and before any guest has written to it.
    """
    looks = recognize(path)
    if looks in _COMPRESSED:
        raise Permanent(f"the image is compressed with {looks}: write `decompress: {looks}`")
    if looks == "HTML":
        raise Permanent("the source answered with a web page and not with an image")
    if looks is not None and looks != "qcow2":
        raise Permanent(f"the image is a {looks} file, which is not supported; convert it to qcow2 or raw")
    if declared is not None and declared != (looks or "raw"):
        hint = f"write `format: {looks}`" if looks else "it may be another file than the one meant"
        raise Permanent(f"the image is declared as {declared} and is {looks or 'no such file'}: {hint}")
    if path.stat().st_size == 0:
        raise Permanent("the image is empty")
    return looks or "raw"


def virtual_size(path: Path, declared: str) -> int:
    """Return how large the disk in an image is; Permanent when the image is broken or needs other files."""
    if declared == "raw":
        # A disk ends with a whole sector, so a raw image that does not is filled up.
        return -(-path.stat().st_size // SECTOR) * SECTOR
    said = _ask("info", "-f", declared, "--output=json", path=path)
    inner = (said.get("format-specific") or {}).get("data") or {}
    for key in ("backing-filename", "full-backing-filename"):
        if said.get(key):
            raise Permanent(f"the image needs another file, `{said[key]}`; merge the two with `qemu-img convert` first")
    if inner.get("data-file"):
        raise Permanent(f"the image keeps its data in another file, `{inner['data-file']}`; merge the two with `qemu-img convert` first")
    if inner.get("encrypt") or said.get("encrypted"):
        raise Permanent("the image is encrypted, which is not supported")
    if inner.get("corrupt"):
        raise Permanent("the image marks itself as corrupt; download or make it again")
    return int(said["virtual-size"])


def needed(path: Path, declared: str) -> int:
    """Return how many bytes the image takes as raw, holes left out."""
    if declared == "raw":
        return path.stat().st_blocks * SECTOR
    return cluster_tables.data_in(path)


def convert(path: Path, declared: str, target: Path, *, size: int, timeout: float = 3600.0) -> None:
    """Write an image as a raw file of `size` bytes, with holes."""
    target.unlink(missing_ok=True)
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    words = ("convert", "-f", declared, "-O", "raw", "-t", "writeback", str(path.absolute()), str(target.absolute()))
    foreign_programs.qemu_img(*words, reads=path, writes=target, output=size, timeout=timeout)


def _ask(*arguments: str, path: Path) -> dict[str, Any]:
    said: dict[str, Any] = jsons.loads(foreign_programs.qemu_img(*arguments, str(path.absolute()), reads=path, timeout=120.0))
    return said
