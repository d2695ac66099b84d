"""What may stand in no committed file: places of one machine, hosts of package registries, work left for later."""

import functools
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

# Put together from pieces, so that this file does not hold what it looks for.
_REGISTRIES = (
    "py" + "pi.org",
    "python" + "hosted.org",
    "registry." + "npmjs",
    "deb.debian" + ".org",
    "proxy.gol" + "ang.org",
    "crates" + ".io",
)
_UNFINISHED = re.compile(
    r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "Not" + "ImplementedError", "lorem" + " ipsum")) + r")\b"
)


@functools.cache
def _hosts_of_this_machine() -> frozenset[str]:
    """Ask the package clients of this machine which hosts they use: a mirror has a name that no list can know."""
    lists = [path for pattern in ("sources.list", "sources.list.d/*") for path in Path("/etc/apt").glob(pattern) if path.is_file()]
    lines = [line for path in lists for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    said = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    for command in (["pip", "config", "list"], ["npm", "config", "get", "registry"]):
        if shutil.which(command[0]):
            said += subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return frozenset(re.findall(r"https?://(?:[^/@\s\"']*@)?([a-z0-9-]+\.[a-z0-9.-]+)", said))


def _texts(files: Sequence[Path]) -> dict[Path, str]:
    texts = {}
    for path in files:
        content = path.read_bytes()
        if b"\0" not in content:
            texts[path] = content.decode("utf-8", errors="replace")
    return texts


def test_no_file_names_the_host_of_a_package_registry(files: Sequence[Path]) -> None:
    hosts = {*_REGISTRIES, *_hosts_of_this_machine()}
    found = [(str(path), host) for path, text in _texts(files).items() for host in hosts if host in text]
    assert not found


def test_no_file_names_a_folder_of_this_machine(files: Sequence[Path], root: Path) -> None:
    places = {f"{root}/", f"{root.parent}/" if len(root.parent.parts) > 1 else f"{root}/"}
    # A home or a temporary folder that is everybody's says nothing about this machine.
    places -= {"/root/", "/home/", f"{tempfile.gettempdir()}/", "/opt/", "/srv/"}
    found = [(str(path), place) for path, text in _texts(files).items() for place in places if place in text]
    assert not found


def test_nothing_is_left_for_later(files: Sequence[Path]) -> None:
    found = [
        f"{path}: {match.group()}"
        for path, text in _texts(files).items()
        if path.suffix != ".txt"
        for match in [_UNFINISHED.search(text)]
        if match
    ]
    assert not found


def test_no_file_is_large_or_binary_without_reason(files: Sequence[Path]) -> None:
    large = {str(path): path.stat().st_size for path in files if path.stat().st_size > 400_000}
    assert not large
