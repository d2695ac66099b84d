"""Searches the doors of `tests/hostile/fuzz_targets.py` for internal errors, each in a process of its own.

A search prints how many inputs it tried, how many edges of our code were reached, and by how much its memory grew. An input that is an
internal error is left in `fuzz-crash-*`, and the exit code is 1.
"""

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_LONGEST = 20_000
_PIECES = (b"[", b"{", b'"', b"-", b"9" * 30, b"null", b"\\u0000", b"&a", b"*a", b"<<: ")
_TOO_MUCH = 512
"""MiB that a search may grow by."""


def main() -> int:
    """Search the doors that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", help="the doors; all of them when none is named")
    parser.add_argument("--seconds", type=int, default=60, help="how long each is searched")
    parser.add_argument("--keep", action="store_true", help="add what reached new code to the corpus")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--into", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        return search(given.one, given.seconds, Path(given.into))
    from tests.hostile import fuzz_targets

    if unknown := [name for name in given.targets if name not in fuzz_targets.TARGETS]:
        parser.error(f"there is no door `{unknown[0]}`; the doors are {', '.join(fuzz_targets.TARGETS)}")
    failed = 0
    for name in given.targets or fuzz_targets.TARGETS:
        with tempfile.TemporaryDirectory(prefix="herocloud-fuzz-") as folder:
            command = [sys.executable, __file__, "--one", name, "--seconds", str(given.seconds), "--into", folder]
            ended = subprocess.run(command, check=False)
            failed |= ended.returncode != 0
            if given.keep:
                keep(name, Path(folder))
    return int(failed)


def keep(name: str, found: Path) -> None:
    """Copy the smallest inputs that reached new code into the corpus."""
    from tests.hostile import fuzz_targets

    target = fuzz_targets.CORPUS / name
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(found.iterdir(), key=lambda path: path.stat().st_size)[:40]:
        if path.stat().st_size <= 2000:
            (target / path.name[:16]).write_bytes(path.read_bytes())


def search(name: str, seconds: int, folder: Path) -> int:
    """Search one door in this process."""
    try:
        import atheris
    except ImportError:
        return search_at_random(name, seconds)
    # Only what is imported in here is watched, and a door imports the rest of its rooms when an input gets that far.
    with atheris.instrument_imports(include=["herocloud"]):
        from tests.hostile import fuzz_targets

        corpus = fuzz_targets.CORPUS / name
        for path in sorted(corpus.iterdir()):
            fuzz_targets.try_once(name, path.read_bytes())

    def attempt(content: bytes) -> None:
        fuzz_targets.try_once(name, content)

    options = [f"-max_total_time={seconds}", f"-max_len={_LONGEST}", "-print_final_stats=1", f"-rss_limit_mb={2 * _TOO_MUCH}"]
    places = [str(folder), *([str(corpus)] if corpus.is_dir() else [])]
    print(f"== {name}", flush=True)
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix=fuzz-crash-{name}-", *places], attempt)
    atheris.Fuzz()
    return 0


def search_at_random(name: str, seconds: int) -> int:
    """Change inputs of the corpus at random."""
    from tests.hostile import fuzz_targets

    inputs = [path.read_bytes() for path in (fuzz_targets.CORPUS / name).iterdir()] or [b"{}"]
    until, tried = time.monotonic() + seconds, 0
    chance = random.Random(name)  # noqa: S311  (nothing here is a secret)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while time.monotonic() < until:
        content = bytearray(chance.choice(inputs))
        for _ in range(chance.randint(1, 8)):
            place = chance.randrange(len(content) + 1)
            other = chance.choice(inputs)
            match chance.randrange(4):
                case 0:
                    content[place:place] = bytes([chance.randrange(256)])
                case 1:
                    del content[place : place + chance.randint(1, 16)]
                case 2:
                    content[place:place] = other[: chance.randrange(len(other) + 1)]
                case 3:
                    content[place : place + 1] = chance.choice(_PIECES)
        try:
            fuzz_targets.try_once(name, bytes(content[:_LONGEST]))
        except Exception:
            Path(f"fuzz-crash-{name}").write_bytes(content[:_LONGEST])
            raise
        tried += 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    print(f"== {name}: {tried} inputs at random, memory grew by {grown} MiB", flush=True)
    return int(grown > _TOO_MUCH)


if __name__ == "__main__":
    sys.exit(main())
