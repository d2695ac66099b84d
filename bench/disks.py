"""Prints what copying, hashing and making disks costs, each beside the program that a person would use: `cp` and `sha256sum`.

Every figure is the median of several runs on files of the same content, with the page cache as the run before left it; ratios are ours
divided by theirs, so that less is better. `cp` does not wait for the disk, so copies are compared without waiting too; what waiting adds is
shown on a line of its own. Sharing blocks is measured on a file system of its own when the folder's cannot: that takes root, and a
loop device.
"""

import argparse
import contextlib
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from herocloud.kits import sizes
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StackName, StepId
from herocloud.model.steps import Step
from herocloud.providers.images import blocks, copies, driving
from herocloud.providers.seam import Work

PIECE = 4 * sizes.MIB


def main() -> None:
    """Measure and print."""
    arguments = _parse()
    with tempfile.TemporaryDirectory(prefix="herocloud-bench-", dir=arguments.folder) as name:
        folder = Path(name)
        data, size = arguments.data * sizes.MIB, arguments.size * sizes.MIB
        print(f"an image of {sizes.show_size(size)} that holds {sizes.show_size(data)}; medians of {arguments.runs} runs\n")
        print(f"{'':44}{'herocloud':>12}{'beside it':>12}{'ratio':>8}")
        source = _make_image(folder / "image.raw", data, size)
        _hash(source, arguments.runs)
        _copy(source, folder, arguments.runs)
        with _sharing(folder) as shared:
            if shared is not None:
                _share(_make_image(shared / "image.raw", data, size), shared, arguments.runs)
        _steps(source, folder, arguments.disks)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=int, default=512, help="MiB of data in the image (512)")
    parser.add_argument("--size", type=int, default=4096, help="MiB of the disk in it (4096)")
    parser.add_argument("--disks", type=int, default=50, help="how many disks and seeds are made one after the other (50)")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None, help="where to work; a temporary folder by default")
    return parser.parse_args()


def _make_image(path: Path, data: int, size: int) -> Path:
    """Spread pieces of noise evenly over a file of holes, as file systems spread theirs."""
    chance = random.Random(1)  # noqa: S311  (noise, no secret)
    pieces = data // PIECE
    with path.open("wb") as stream:
        for number in range(pieces):
            stream.seek(number * (size // pieces))
            stream.write(chance.randbytes(PIECE))
        stream.truncate(size)
        os.fsync(stream.fileno())
    return path


def _hash(source: Path, runs: int) -> None:
    small = source.with_name("whole")
    with small.open("wb") as stream:
        stream.write(source.read_bytes()[: 256 * sizes.MIB])
    ours = _median(runs, lambda: blocks.sha256_of(small))
    theirs = _median(runs, lambda: _run("sha256sum", small))
    _line(f"sha256 of {sizes.show_size(small.stat().st_size)}", ours, theirs, "sha256sum")
    small.unlink()


def _copy(source: Path, folder: Path, runs: int) -> None:
    target = folder / "copy.raw"
    gone = _remover(target)
    ours = _median(runs, lambda: copies.clone(source, target, reflink=False, durable=False), gone)
    theirs = _median(runs, lambda: _run("cp", "--reflink=never", "--sparse=always", source, target), gone)
    _line("copy that keeps holes", ours, theirs, "cp --sparse=always")
    durable = _median(runs, lambda: copies.clone(source, target, reflink=False), gone)
    synced = _median(runs, lambda: (_run("cp", "--reflink=never", "--sparse=always", source, target), _run("sync", target)), gone)
    _line("the same, waiting for the disk", durable, synced, "cp, then sync FILE")


@contextlib.contextmanager
def _sharing(folder: Path) -> Iterator[Path | None]:
    """Give a folder whose file system can share blocks, mounting one for the time being where it has to be."""
    probe, copy = folder / "probe", folder / "probe.copy"
    probe.write_bytes(b"x" * 4096)
    if copies.clone(probe, copy):
        yield folder
        return
    kind = next((name for name in ("xfs", "btrfs") if shutil.which(f"mkfs.{name}")), None)
    if os.geteuid() != 0 or kind is None:
        print("reflinks: this file system has none, and without root and mkfs.xfs (package xfsprogs) no other can be made")
        yield None
        return
    image, place = folder / "file-system", folder / "mounted"
    place.mkdir()
    with image.open("wb") as stream:
        stream.truncate(8 * sizes.GIB)
    _run(f"mkfs.{kind}", image)
    if subprocess.run(["mount", "-o", "loop", str(image), str(place)], capture_output=True, check=False).returncode:
        print(f"reflinks: this file system has none, and {kind} cannot be mounted here")
        yield None
        return
    try:
        yield place
    finally:
        _run("umount", place)


def _share(source: Path, folder: Path, runs: int) -> None:
    target = folder / "copy.raw"
    gone = _remover(target)
    ours = _median(runs, lambda: copies.clone(source, target, durable=False), gone)
    theirs = _median(runs, lambda: _run("cp", "--reflink=auto", source, target), gone)
    _line("copy that shares blocks", ours, theirs, "cp --reflink=auto")
    durable = _median(runs, lambda: copies.clone(source, target), gone)
    synced = _median(runs, lambda: (_run("cp", "--reflink=auto", source, target), _run("sync", target)), gone)
    _line("the same, waiting for the disk", durable, synced, "cp, then sync FILE")


def _steps(source: Path, folder: Path, count: int) -> None:
    """Time whole steps as an apply runs them, marks and syncing included."""
    host = Host("bench", 0, 1024**4, 0, 1, (), image_share=1.0, image_keep_free=0)
    driver = driving.ImagesDriver(folder / "data", host)
    body = {"source": str(source), "sha256": None, "unpinned": False, "decompress": "none", "format": "raw", "kernel": None,
            "initramfs": None, "cmdline": None}  # fmt: skip
    size = source.stat().st_size
    spec = {"hostname": "web", "ssh_keys": [], "user_data": None, "env": {}, "secrets": {}, "networks": [], "mycelium": None}

    def perform(kind: str, address: str, part: str, after: Any) -> None:
        step = Step(StepId(f"{address}/{kind}"), Address(address), kind, "images", part, None, after)
        driver.perform(Work(step, StackName("bench"), spec, "bench", "bench"))

    print()
    print(f"{'image.fetch from a file':44}{_time(_once(lambda: perform('image.fetch', 'image.one', 'image', body))):>12}")

    def disk(number: int) -> None:
        after = {"size": size, "path": f"vms/v{number}/root.raw", "image": "one", "source": str(source)}
        perform("disk.create", f"vm.web[{number}]", "disk", after)

    def seed(number: int) -> None:
        perform("seed.write", f"vm.web[{number}]", "seed", {"instance": "i", "digest": "d", "path": f"vms/v{number}/seed.iso"})

    few = min(count, 5)
    for name, step, times in (("disk.create", disk, few), ("seed.write", seed, count)):
        spent = _once(lambda step=step, times=times: [step(number) for number in range(times)])  # type: ignore[misc]
        print(f"{f'{name}, each of {times}':44}{_time(spent / times):>12}")


def _remover(path: Path) -> Callable[[], None]:
    return lambda: path.unlink(missing_ok=True)


def _median(runs: int, once: Callable[[], object], before: Callable[[], None] = lambda: None) -> float:
    spent = []
    for _ in range(runs):
        before()
        spent.append(_once(once))
    before()
    return statistics.median(spent)


def _once(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


def _line(what: str, ours: float, theirs: float, beside: str) -> None:
    print(f"{what:44}{_time(ours):>12}{_time(theirs):>12}{ours / theirs:>8.2f}  {beside}", flush=True)


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.0995 else f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


if __name__ == "__main__":
    main()
