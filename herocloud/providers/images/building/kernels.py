"""The kernel in an unpacked Debian package: its file, its release, and the modules that a guest needs, in the order in which they load."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from herocloud.model.errors import Permanent

_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


class Kernel(NamedTuple):
    """A kernel as its package has it."""

    path: Path
    release: str
    modules: Path


def find(folder: Path) -> Kernel:
    """Find the kernel in an unpacked package."""
    path = next(iter(sorted(folder.glob("boot/vmlinuz-*"))), None)
    if path is None:
        raise Permanent(f"there is no kernel in `{folder}`")
    release = path.name.removeprefix("vmlinuz-")
    modules = next((one for one in (folder / "lib/modules" / release, folder / "usr/lib/modules" / release) if one.is_dir()), None)
    if modules is None:
        raise Permanent(f"there are no modules for the kernel {release} in `{folder}`")
    return Kernel(path, release, modules)


def choose(kernel: Kernel, wanted: Iterable[str]) -> list[Path]:
    """Return the files of these modules and of what they need, each after what it needs; what is built in or missing is left out.

    The list of dependencies that `modprobe` uses is made when a package is installed, which nobody does here. But every module says
    itself what it needs.
    """
    files = {_plain(path.stem): path for path in kernel.modules.rglob("*.ko")}
    order: list[Path] = []
    seen: set[str] = set()

    def add(name: str) -> None:
        if name in seen or name not in files:
            return
        seen.add(name)
        for need in needs(files[name]):
            add(need)
        order.append(files[name])

    for name in wanted:
        add(_plain(name))
    return order


def needs(module: Path) -> list[str]:
    """Return the names of the modules that one needs, as it says itself."""
    found = _DEPENDS.search(b"\0" + module.read_bytes())
    return [_plain(name) for name in found.group(1).decode().split(",") if name] if found else []


def _plain(name: str) -> str:
    # The kernel takes both spellings for one.
    return name.replace("-", "_")
