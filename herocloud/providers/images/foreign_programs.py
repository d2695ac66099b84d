"""The programs that read images of strangers, each in a cage of its own (`vmm.tool_cage`): qemu-img, and what unpacks xz, zstd and gzip."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import herocloud
from herocloud.kits.subprocesses import CommandError
from herocloud.model.errors import Permanent

_MIB = 1024**2
_MEMORY = 2048 * _MIB
"""Address space of qemu-img: it keeps tables of the image and a few buffers, and every thread reserves some."""
_BESIDE = 512 * _MIB
"""Address space of an interpreter beside what unpacking itself takes."""
_PACKAGES = ("site-packages", "dist-packages")
_WORDS = 64 * 1024
_LONGEST = 6 * 3600
_CHILD = """\
import sys
from pathlib import Path
sys.path[:0] = sys.argv[4].split(chr(0x1f))
from herocloud.model.errors import Permanent
from herocloud.providers.images import decompression
try:
    for data in decompression.unpack(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])):
        sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
except Permanent as error:
    sys.stderr.write(str(error))
    sys.exit(3)
except MemoryError:
    sys.stderr.write("unpacking the image takes more memory than it may")
    sys.exit(3)
"""


def qemu_img(*arguments: str, reads: Path, writes: Path | None = None, output: int = _WORDS, timeout: float) -> str:
    """Run qemu-img on one image, which may write one file of so many bytes."""
    # Loaded when it is needed: most steps of this provider read nothing foreign.
    import shutil

    from herocloud.providers.vmm import tool_cage
    from herocloud.providers.vmm.tool_cage import Bounds, Files

    if shutil.which("qemu-img") is None:
        raise Permanent("qcow2 images need the program `qemu-img`: install it (`apt-get install qemu-utils` on Debian), or use a raw image")
    files = Files(reads=[reads], writes=[] if writes is None else [writes])
    try:
        return tool_cage.run(["qemu-img", *arguments], files, Bounds(_MEMORY, int(timeout), output), timeout=timeout)
    except CommandError as error:
        if error.returncode == -signal.SIGXFSZ:
            raise Permanent("the image holds more than it says") from error
        if error.returncode == -signal.SIGXCPU:
            raise Permanent(f"reading the image takes more than {timeout:g} s of a processor") from error
        raise Permanent(f"the image cannot be read: {error}") from error


def unpack(path: Path, how: str, memory: int) -> Iterator[bytes]:
    """Yield the content of a packed image, as `decompression.unpack` does in the same process."""
    from herocloud.providers.vmm import tool_cage
    from herocloud.providers.vmm.tool_cage import Bounds, Files

    places = [place for place in _libraries() if Path(place).is_dir()]
    home = str(Path(herocloud.__file__).parent.parent)
    command = [sys.executable, "-I", "-c", _CHILD, str(path.absolute()), how, str(memory), "\x1f".join([home, *places])]
    files = Files(reads=[path], libraries=[Path(place) for place in dict.fromkeys([str(Path(herocloud.__file__).parent), *places])])
    try:
        yield from tool_cage.stream(command, files, Bounds(memory + _BESIDE, _LONGEST, _WORDS))
    except CommandError as error:
        raise Permanent(error.stderr.strip() or f"`decompress: {how}` ended unexpectedly ({error})") from error


def _libraries() -> Iterator[str]:
    """Yield the folders of installed packages. Where a command or a daemon was started from is on the path too, and is nothing to show."""
    for place in sys.path:
        path = Path(place).absolute()
        if place and (path.name in _PACKAGES or any(path.is_relative_to(prefix) for prefix in {sys.prefix, sys.base_prefix} - {"/"})):
            yield str(path)
