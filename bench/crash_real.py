"""Kills applies that make real networks, disks and seeds, and counts what is lost; machines are pretended unless QEMU is to run them.

Every apply runs in a network namespace of its own, with a web server that images are downloaded from, and is killed at a named point of a
step, before a single change of the kernel's tables, in the middle of a download, or at a random instant. Then the next command goes on (or
takes it back, and dies on the way as well), and links, addresses, routes, rules, queues, kernel settings, files, records and slices are
compared as a whole with those of an undisturbed run; a plan must say that nothing changes. Pairs of stacks are applied at the same instant
by two processes as well. It needs root, and leaves the machine as it is.
"""

import argparse
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import campaigns


def main() -> int:
    """Strike, count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1_000, help="at least; every named point comes first, random instants after")
    parser.add_argument("--short", action="store_true", help="only the strikes that the tests make")
    parser.add_argument("--hypervisor", choices=["qemu"], help="who runs the machines; no guest boots in them")
    arguments = campaigns.begin(parser)
    real = campaigns.real_campaign
    with tempfile.TemporaryDirectory(prefix="herocloud-crash-") as name:
        campaign = real.Campaign(Path(name), campaigns.campaign, campaigns.real_world, arguments.hypervisor)
        counts: Counter[str] = Counter()
        _strike(campaign, real.rounds(campaign.strikes(thorough=not arguments.short)), "named points", counts)
        number = 0
        while not arguments.short and counts["kills"] < arguments.kills:
            _strike(campaign, real.rounds(campaign.random_strikes(60, arguments.seed + number)), "random instants", counts)
            number += 1
    for number in range(PAIRS):
        _live(arguments.seed + number, counts)
    print(f"{PAIRS} pairs at once{counts['pair kills']:>9} kills{counts['bad pairs']:>5} not clean")
    counts.update(kills=counts["pair kills"], stages=PAIRS, bad=counts["bad pairs"])
    print(f"\n{counts['kills']:,} kills, {counts['stages'] - counts['bad']:,} of {counts['stages']:,} applies clean afterwards")
    return 1 if counts["bad"] or campaign.problems_of_itself else 0


PAIRS = 30


def _live(seed: int, counts: Counter[str]) -> None:
    """Let a pair of stacks live that two processes apply at the same instant."""
    with tempfile.TemporaryDirectory(prefix="herocloud-crash-") as name:
        pair = campaigns.real_pairs.RealPair(Path(name), seed)
        try:
            lived = pair.live()
        finally:
            pair.close()
    counts["pair kills"] += lived.kills
    counts["bad pairs"] += bool(lived.problems)
    for problem in lived.problems:
        print(f"  pair {seed}: {problem[:400]}", flush=True)


def _strike(campaign: Any, worlds: list[list[Any]], what: str, counts: Counter[str]) -> None:
    """Strike in every one of these worlds, and say what came of it, a line for every twenty."""
    before = Counter(counts)
    for number, strikes in enumerate(worlds, 1):
        struck = campaign.strike(strikes)
        counts["kills"] += struck.kills
        counts["stages"] += len(strikes)
        counts["bad"] += len({problem.partition(":")[0] for problem in struck.problems})
        if struck.problems:
            print(f"  {strikes}", *(f"    {problem[:400]}" for problem in struck.problems[:5]), sep="\n", flush=True)
        if number % 20 == 0 or number == len(worlds):
            now = counts - before
            print(f"{what:18}{number:>5} worlds{now['kills']:>7} kills{now['bad']:>5} not clean", flush=True)


if __name__ == "__main__":
    os.environ.pop("HEROCLOUD_FAULTS", None)
    raise SystemExit(main())
