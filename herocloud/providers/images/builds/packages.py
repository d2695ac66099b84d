"""Debian packages, fetched by apt as its owner has set it up and unpacked into a folder of ours; nothing is installed.

The mirror, its keys and a proxy are apt's business. `dpkg-deb -x` unpacks without running a line of what is in the package.

Of a kernel's package a guest needs the kernel's file, its release, and its modules in the order in which they load.
"""

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import subprocesses
from herocloud.kits.subprocesses import CommandError
from herocloud.model.errors import Permanent, Temporary
from herocloud.model.hosts import ImageLimits
from herocloud.providers.images import decompression

_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


_UPDATE = "`apt-get update`, as root, may help"


class Package(NamedTuple):
    """A package that apt knows."""

    name: str
    file: str
    """Its name with its version, so that two files of one name have the same content."""


def architecture() -> str:
    """Return what Debian calls this machine: `amd64`, `arm64`."""
    return _run(["dpkg", "--print-architecture"], "dpkg", 30).strip()


def locate(*names: str) -> list[Package]:
    """Ask apt which file the newest package of each name is; this needs no network, only lists that are not too old."""
    found = {}
    for line in _run(["apt-get", "download", "--print-uris", *names], "apt-get", 120).splitlines():
        words = line.split()
        if len(words) >= 2 and words[0].startswith("'"):
            found[words[1].partition("_")[0]] = words[1]
    lacking = [name for name in names if name not in found]
    if lacking:
        raise Permanent(f"apt knows no package `{lacking[0]}`; {_UPDATE}")
    return [Package(name, found[name]) for name in names]


def fetch(package: Package, folder: Path) -> Path:
    """Return a package's file, downloading it unless it lies in the folder already; older ones of its name go."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / package.file
    if path.exists():
        return path
    place = folder / f".{package.name}.new"
    # What a killed download has left may be half a package, and apt would go on with it under its whole name.
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    try:
        # Apt gives up its rights for downloads, and then it cannot write into our folder.
        _download(place, ["apt-get", "download", "-q", "-o", f"APT::Sandbox::User={_me()}", package.name])
        if not (place / package.file).exists():
            raise Permanent(f"apt said that it downloaded `{package.name}`, and `{place / package.file}` is not there")
        (place / package.file).replace(path)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    for older in folder.glob(f"{package.name}_*.deb"):
        if older != path:
            older.unlink(missing_ok=True)
    return path


def depends(package: Path) -> list[str]:
    """Name the packages that one needs, without versions; of alternatives the first."""
    said = _run(["dpkg-deb", "-f", str(package), "Depends"], "dpkg-deb", 60).strip()
    return [choice.strip().split(" ")[0].split("|")[0] for choice in said.split(",") if choice.strip()]


def unpack(package: Path, folder: Path) -> None:
    """Unpack the files of a package."""
    folder.mkdir(parents=True, exist_ok=True)
    _run(["dpkg-deb", "-x", str(package), str(folder)], "dpkg-deb", 300)


def _run(command: list[str], program: str, timeout: float) -> str:
    try:
        return subprocesses.run(command, timeout=timeout, environment={**os.environ, **_ENVIRONMENT}).stdout
    except CommandError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise Permanent(f"building an image needs `{program}`, which is part of Debian; build it there, and copy the result") from error
        raise Permanent(f"{error}; {_UPDATE}" if "Unable to locate" in error.stderr else f"{error}") from error


def _download(folder: Path, command: list[str]) -> None:
    try:
        subprocesses.run(["env", "-C", str(folder), *command], timeout=600, environment={**os.environ, **_ENVIRONMENT})
    except CommandError as error:
        raise Temporary(f"{error}", delay=5.0) from error


def _me() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


class Kernel(NamedTuple):
    """A kernel as its package has it."""

    path: Path
    release: str
    modules: Path


class Module(NamedTuple):
    """A part of a kernel that is loaded when it is needed."""

    name: str
    content: bytes


def find(folder: Path) -> Kernel:
    """Find the kernel in an unpacked package."""
    path = next(iter(sorted(folder.glob("boot/vmlinuz-*"))), None)
    if path is None:
        raise Permanent(f"there is no kernel in `{folder}`")
    release = path.name.removeprefix("vmlinuz-")
    modules = next((path for path in (folder / "lib/modules" / release, folder / "usr/lib/modules" / release) if path.is_dir()), None)
    if modules is None:
        raise Permanent(f"there are no modules for the kernel {release} in `{folder}`")
    return Kernel(path, release, modules)


def choose(kernel: Kernel, wanted: Iterable[str], required: Iterable[str] = ()) -> list[Module]:
    """Return these modules and what they need, each after what it needs; what is built in or missing is left out, unless it is required.

    The list of dependencies that `modprobe` uses is made when a package is installed, which nobody does here. But every module says
    itself what it needs.
    """
    files = {_plain(path.name.partition(".")[0]): path for path in kernel.modules.rglob("*.ko*")}
    order: dict[str, Module] = {}
    seen: set[str] = set()

    def add(name: str) -> None:
        if name in seen or name not in files:
            return
        seen.add(name)
        module = Module(f"{files[name].name.partition('.')[0]}.ko", _content(files[name]))
        for need in needs(module.content):
            add(need)
        order[name] = module

    for name in (*wanted, *required):
        add(_plain(name))
    lacking = [name for name in required if _plain(name) not in order and _plain(name) not in _built_in(kernel)]
    if lacking:
        raise Permanent(f"the kernel {kernel.release} has no module `{lacking[0]}`, without which no guest comes up")
    return list(order.values())


def _content(path: Path) -> bytes:
    """Return a module as the kernel wants it; newer releases of Debian pack theirs."""
    how = {".xz": "xz", ".gz": "gzip", ".zst": "zstd"}.get(path.suffix)
    return path.read_bytes() if how is None else b"".join(decompression.unpack(path, how, ImageLimits().unpack_memory))


def _built_in(kernel: Kernel) -> set[str]:
    try:
        lines = (kernel.modules / "modules.builtin").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return set()
    return {_plain(Path(line).stem) for line in lines}


def needs(module: bytes) -> list[str]:
    """Return the names of the modules that one needs, as it says itself."""
    found = _DEPENDS.search(b"\0" + module)
    return [_plain(name) for name in found.group(1).decode().split(",") if name] if found else []


def _plain(name: str) -> str:
    # The kernel takes both spellings for one.
    return name.replace("-", "_")
