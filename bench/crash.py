"""Kills applies, again and again, and counts what is lost: herocloud on its simulator, and Terraform beside it when it is on PATH.

Every herocloud apply is killed at a named point of a step or at a random instant; then the next command goes on, and world, data,
records, slices and files are compared as a whole with those of an undisturbed apply. Pairs of stacks are applied at the same instant by
two processes, and one or both are killed. Terraform has no command that goes on, so its
next plan is asked: what had been created by its own words and is to be created again, is lost.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import campaigns

PAIRS = 30
"""How many pairs of applies at once a round has."""
_MADE = re.compile(r"terraform_data\.\S+: Creation complete")


class Row(NamedTuple):
    """What came of the kills of one tool."""

    kills: int
    clean: int
    """The next command brought everything to its goal."""
    lost: int
    """Something that had been made was forgotten, made twice, or left half-made."""
    empty: int
    """The state was empty or could not be read."""


def main() -> int:
    """Strike, count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1_000, help="of herocloud, at least")
    parser.add_argument("--terraform-kills", type=int, default=20)
    parser.add_argument("--terraform-resources", type=int, default=500)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--no-terraform", action="store_true")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    ours = herocloud(arguments.kills, arguments.seed)
    theirs = None
    if shutil.which("terraform") is None:
        print("terraform is not on PATH: one row only")
    elif not arguments.no_terraform:
        theirs = terraform(arguments.terraform_kills, arguments.terraform_resources, arguments.seed)
    print(f"\n{'':12}{'kills':>8}{'clean after':>14}{'lost objects':>14}{'empty state':>14}")
    for name, row in (("herocloud", ours), ("terraform", theirs)):
        if row is not None:
            print(f"{name:12}{row.kills:>8,}{row.clean:>14,}{row.lost:>14,}{row.empty:>14,}")
    return 0 if ours.kills >= arguments.kills and ours.clean == ours.kills else 1


def herocloud(wanted: int, seed: int) -> Row:
    """Go through every scenario at every point, and on at random instants until there were enough kills."""
    campaign, sites = campaigns.campaign, campaigns.sites
    kills, bad = 0, 0
    with tempfile.TemporaryDirectory(prefix="herocloud-crash-") as name:
        prepared = campaign.prepare_all(Path(name), sites.Site)
        round_number = 0
        while kills < wanted:
            for scenario, one in prepared.items():
                blows = one.random_blows(40, seed + round_number, 0.08)
                if round_number == 0:
                    blows += one.blows(thorough=True)
                counts: Counter[str] = Counter()
                for number, blow in enumerate(blows):
                    struck = one.strike(blow, number)
                    counts["kills"] += struck.kills
                    counts["bad"] += bool(struck.problems)
                    for problem in struck.problems:
                        print(f"  {blow}: {problem}")
                kills, bad = kills + counts["kills"], bad + counts["bad"]
                print(f"{scenario:24}{len(blows):>6} blows{counts['kills']:>6} kills{counts['bad']:>6} not clean", flush=True)
            struck = pairs_at_once(range(seed + round_number * PAIRS, seed + (round_number + 1) * PAIRS))
            kills, bad = kills + struck.kills, bad + struck.lost
            round_number += 1
    return Row(kills, kills - bad, bad, 0)


def pairs_at_once(seeds: range) -> Row:
    """Let pairs of stacks live that two processes apply at the same instant."""
    kills = bad = 0
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="herocloud-crash-") as name:
            lived = campaigns.pairs.Pair(Path(name), seed).live()
        kills, bad = kills + lived.kills, bad + bool(lived.problems)
        for problem in lived.problems:
            print(f"  pair {seed}: {problem}")
    print(f"{'pairs at once':24}{len(seeds):>6} pairs{kills:>6} kills{bad:>6} not clean", flush=True)
    return Row(kills, kills - bad, bad, 0)


def terraform(kills: int, resources: int, seed: int) -> Row:
    """Kill Terraform as often, creating resources that do nothing."""
    chance = random.Random(seed)  # noqa: S311  (no secret)
    clean = lost = empty = done = 0
    with tempfile.TemporaryDirectory(prefix="terraform-crash-") as name:
        start = Path(name) / "start"
        start.mkdir()
        (start / "main.tf").write_text(f'resource "terraform_data" "web" {{\n  count = {resources}\n  input = "x"\n}}\n', encoding="utf-8")
        _terraform(start, "init", "-input=false")
        shutil.copytree(start, Path(name) / "timed")
        began = time.perf_counter()
        _terraform(Path(name) / "timed", "apply", "-input=false", "-auto-approve")
        takes = time.perf_counter() - began
        while done < kills:
            folder = Path(name) / f"blow-{done}"
            shutil.copytree(start, folder)
            made = _kill_apply(folder, chance.uniform(takes * 0.1, takes))
            if made is None:
                shutil.rmtree(folder)
                continue
            done += 1
            state = folder / "terraform.tfstate"
            unreadable = state.exists() and not _is_json(state.read_bytes())
            plan = _terraform(folder, "plan", "-input=false", "-no-color", check=False)
            found = re.search(r"Plan: (\d+) to add", plan)
            wants = int(found.group(1)) if found else 0 if "No changes" in plan else resources
            forgotten = wants > resources - made
            empty += unreadable
            lost += forgotten
            clean += not forgotten and not unreadable
            shutil.rmtree(folder)
    print(f"{'terraform create':24}{done:>6} blows{done:>6} kills{done - clean:>6} not clean")
    return Row(done, clean, lost, empty)


def _kill_apply(folder: Path, after: float) -> int | None:
    """Kill an apply after some seconds; returns how many resources it said to have created, or nothing when it had ended before."""
    with (folder / "said").open("w+", encoding="utf-8") as said:
        child = subprocess.Popen(
            ["terraform", "apply", "-input=false", "-auto-approve", "-no-color"],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            child.wait(timeout=after)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            said.seek(0)
            return len(_MADE.findall(said.read()))
    return None


def _terraform(folder: Path, *arguments: str, check: bool = True) -> str:
    ran = subprocess.run(["terraform", *arguments], cwd=folder, env=_environment(), capture_output=True, text=True, check=check)
    return ran.stdout


def _environment() -> dict[str, str]:
    return {**os.environ, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


if __name__ == "__main__":
    raise SystemExit(main())
