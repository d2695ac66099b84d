"""Plays random cases on the model of the host and counts where what happened was not what the plan said.

Each seed is a case of its own: a random stack, edits, failures, interrupts, kills, resumes, rollbacks and undos in random orders. The
tests play the first 300; `--first SEED --count 1 --show` plays one again and tells what was done.
"""

import argparse
import functools
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.model_of_host import cases, consent  # noqa: E402  (the tests are not a package of the product)

_BUNDLE = 25
"""How many cases a process plays before it is asked for the next."""


def main() -> int:
    """Play, count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="how many cases")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--consent", action="store_true", help="play commands of people who approve and refuse, in place of plans")
    parser.add_argument("--hasty", action="store_true", help="edit stacks before they are at rest")
    parser.add_argument("--show", action="store_true", help="tell what was done in each case that deviates, and in a single one")
    arguments = parser.parse_args()
    began = time.monotonic()
    last = arguments.first + arguments.count
    bundles = [range(first, min(first + _BUNDLE, last)) for first in range(arguments.first, last, _BUNDLE)]
    counts: Counter[str] = Counter()
    deviating = 0
    with ProcessPoolExecutor(arguments.processes) as pool:
        for told in pool.map(_play_consent if arguments.consent else _play_hasty if arguments.hasty else _play, bundles):
            for one in told:
                counts.update(one.counts)
                if one.deviations:
                    deviating += 1
                    print(f"seed {one.seed}:", *one.deviations, sep="\n    ")
                if arguments.show and (one.deviations or arguments.count == 1):
                    print(*one.log, sep="\n")
    for name, number in sorted(counts.items()):
        print(f"{number:>9,}  {name}")
    print(f"{arguments.count:>9,}  cases from seed {arguments.first} in {time.monotonic() - began:.0f} s, {deviating} with deviations")
    return 1 if deviating else 0


def _play(seeds: range) -> list[cases.Told]:
    return _play_with(cases.play, seeds)


def _play_hasty(seeds: range) -> list[cases.Told]:
    return _play_with(functools.partial(cases.play, hasty=True), seeds)


def _play_consent(seeds: range) -> list[cases.Told]:
    return _play_with(consent.play, seeds)


def _play_with(play: Callable[[int, Path], cases.Told], seeds: range) -> list[cases.Told]:
    shared = Path("/dev/shm")  # noqa: S108  (syncs of a disk would take most of the time)
    told = []
    for seed in seeds:
        folder = Path(tempfile.mkdtemp(prefix="herocloud-model-", dir=shared if shared.is_dir() else None))
        try:
            told.append(play(seed, folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return told


if __name__ == "__main__":
    raise SystemExit(main())
