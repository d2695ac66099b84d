"""The disk that a run brings into the lab: the working tree, its environment, programs and images from this machine, and what to do.

The environment is copied as it is and pointed at the Python inside, which has the same version (3.11). It stands at the same path too, so
that what was installed from the lock needs no network, no second resolution and no time. A wheelhouse would need them and bring the same.
"""

import os
import re
import shlex
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from herocloud.kits import durable_files, subprocesses
from herocloud.model.errors import HerocloudError
from herocloud.providers.images.builds import debian, tiny
from herocloud.providers.images.builds import debian_programs as programs

MARKERS = "root or kvm or guest or live"
REBOOTING = "reboots"
"""The marker of tests that reboot the host inside."""
PROGRAMS = ("cloud-hypervisor", "ch-remote", "mycelium", "virtiofsd")
"""Programs that are not Debian packages: they come along when this machine has them."""
DEBIAN = "debian-bookworm"
"""The folder in the cache of images with the Debian image, which takes minutes to build and cannot be built without a network."""

_SKIPPED = {".git", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "build", "dist", ".venv"}


Mode = Literal["tests", "shell", "run", "reboots"]


class Order(NamedTuple):
    """What is to be done inside."""

    root: Path
    """Where the tree stands, here and inside."""
    mode: Mode
    arguments: tuple[str, ...]
    """For pytest; in the mode `run`, the command itself."""
    minutes: str


class Unusable(Exception):
    """The environment of this checkout does not fit into the lab."""


def check_python(root: Path) -> None:
    """Refuse an environment of another Python than the one inside."""
    if not (root / ".venv" / "lib" / "python3.11").is_dir():
        raise Unusable(
            "the Python inside the lab is 3.11, and .venv was made with another: run `PYTHON=python3.11 scripts/setup`, then scripts/lab"
        )


def gather(root: Path, folder: Path, cache: Path, told: Callable[[str], None]) -> Path:
    """Copy what comes along, once for all boots: who goes on working meanwhile must not have two trees in one result."""
    stage = folder / "load"
    tree = stage / "tree"
    _copy_tree(root, tree)
    _copy_environment(root, tree)
    brought = [*_copy_programs(stage / "programs"), *_copy_images(cache, stage / "cache", told)]
    told(f"brings along {', '.join(brought)}" if brought else "brings along no program and no image of this machine")
    (stage / "plugins").mkdir()
    shutil.copy(Path(__file__).with_name("inside"), stage / "inside")
    shutil.copy(Path(__file__).with_name("lab_notes.py"), stage / "plugins")
    return stage


def pack(stage: Path, order: Order, done: Iterable[str] = ()) -> Path:
    """Make the disk of one boot, beside the folder with what comes along; `done` are the tests that have ended in an earlier one."""
    (stage / "done").write_text("".join(f"{one}\n" for one in done), encoding="utf-8")
    (stage / "order").write_text(write_order(order), encoding="utf-8")
    size = sum(path.lstat().st_blocks * 512 + 4096 for path in stage.rglob("*"))
    disk = stage.with_name("load.raw")
    with disk.open("wb") as stream:
        # Half as much again is for what tests write beside the files.
        stream.truncate(size * 3 // 2 + 256 * 1024**2)
    # A host that is rebooted keeps its caches on it, and finds them whole after its power was cut.
    journal = "has_journal" if order.mode == "reboots" else "^has_journal"
    command = ["mkfs.ext4", "-q", "-F", "-L", "lab", "-O", journal, "-E", "root_owner=0:0", "-d", str(stage), str(disk)]
    subprocesses.run(command, timeout=300, environment={**os.environ, "PATH": programs.path()})
    return disk


def complete(root: Path, arguments: tuple[str, ...], markers: str = MARKERS) -> tuple[str, ...]:
    """Say which tests are meant, where the arguments do not: those that want a real host."""
    if any(one.startswith("-m") for one in arguments):
        return arguments
    return ("-m", markers, *arguments, *(() if name_files(root, arguments) else find_marked(root, markers)))


def read_command(text: str) -> list[str]:
    """Take a command apart as a shell does; a Python file is run by the environment of the tree. Raises ValueError for what is none."""
    words = shlex.split(text)
    if not words:
        raise ValueError("there is no command in it")
    return [".venv/bin/python", *words] if words[0].endswith(".py") else words


def write_order(order: Order) -> str:
    """Say in shell variables what is to be done. The arguments are quoted once more, because the shell inside reads them twice."""
    columns, rows = shutil.get_terminal_size()
    values = {
        "root": str(order.root),
        "mode": order.mode,
        "arguments": shlex.join(order.arguments),
        "minutes": order.minutes,
        "rows": str(rows),
        "columns": str(columns),
    }
    return "".join(f"lab_{name}={shlex.quote(value)}\n" for name, value in values.items())


def name_files(root: Path, arguments: tuple[str, ...]) -> bool:
    """Tell whether some of the arguments say which files to run; those behind an option say which not to."""
    pairs = zip(("", *arguments), arguments, strict=False)
    return any((root / one.partition("::")[0]).exists() and before not in ("--deselect", "--ignore") for before, one in pairs)


def find_marked(root: Path, markers: str = MARKERS) -> list[str]:
    """Return the files with tests that carry a marker: under emulation, reading all the others takes minutes."""
    word = re.compile(rf"\bmark\.({markers.replace(' or ', '|')})\b")
    tests = [path for path in list_files(root) if path.parts[0] == "tests" and path.match("test_*.py")]
    return sorted(str(path) for path in tests if word.search((root / path).read_text(encoding="utf-8")))


def list_files(root: Path) -> list[Path]:
    """Return the files of the working tree: what git knows and what is new, without what is ignored."""
    try:
        listed = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        every = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
        return [path for path in every if not _SKIPPED.intersection(path.parts) and "__pycache__" not in path.parts]
    return [Path(name) for name in listed.stdout.decode().split("\0") if name and (root / name).is_file()]


def _copy_tree(root: Path, tree: Path) -> None:
    for path in list_files(root):
        target = tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, target, follow_symlinks=False)


def _copy_environment(root: Path, tree: Path) -> None:
    given, copied = root / ".venv", tree / ".venv"
    shutil.copytree(given, copied, symlinks=True, ignore=shutil.ignore_patterns("mypy", "mypyc", "ruff", "*.pyi"))
    for name in ("python", "python3", "python3.11"):
        (copied / "bin" / name).unlink(missing_ok=True)
        (copied / "bin" / name).symlink_to("/usr/bin/python3.11")
    (copied / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11\n", encoding="utf-8")


def _copy_programs(target: Path) -> Iterable[str]:
    target.mkdir()
    for name in PROGRAMS:
        found = shutil.which(name)
        if found is not None:
            shutil.copy(found, target / name)
            yield name


def _copy_images(cache: Path, target: Path, told: Callable[[str], None]) -> Iterable[str]:
    (target / "images").mkdir(parents=True)
    (target / "packages").mkdir()
    try:
        # Built here when it is not yet: inside there is no package archive to build it from.
        made = tiny.ensure(cache, told=told).kernel.parent
    except HerocloudError as error:
        told(f"goes without the tiny image: {error}")
    else:
        shutil.copytree(made, target / "images" / made.name)
        for package in (cache / "packages").glob("busybox-static_*.deb"):
            shutil.copy(package, target / "packages")
        yield "the tiny image"
    found = debian.find(cache / "images" / DEBIAN)
    if found is not None:
        place = target / "images" / DEBIAN
        place.mkdir()
        for path in (found.disk, found.kernel, found.initramfs, found.disk.with_name(debian.DESCRIPTION)):
            subprocesses.run(["cp", "--sparse=always", "--preserve=mode", str(path), str(place)], timeout=120)
        yield "the Debian image"


def _stays_inside(member: tarfile.TarInfo) -> bool:
    """Tell whether a member of an archive is a plain file or folder below where it is unpacked."""
    path = PurePosixPath(member.name)
    return (member.isfile() or member.isdir()) and not path.is_absolute() and ".." not in path.parts


def unpack_results(archive: Path, target: Path) -> bool:
    """Unpack what came back; tells whether anything did."""
    try:
        with tarfile.open(archive) as stream:
            # The filter `data` of newer Pythons would do the same; the Python of Debian 12 has none.
            members = stream.getmembers()
            if any(not _stays_inside(one) for one in members):
                return False
            stream.extractall(target, members)  # noqa: S202  (each member was looked at)
    except (OSError, tarfile.TarError):
        return False
    durable_files.sync_folder(target)
    return True
