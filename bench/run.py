"""Prints how long the commands take and how much memory they need, beside the targets, and beside Terraform where it is on PATH.

It judges nothing: a slow machine is not a defect, and a ratio against a tool that ran a minute ago on the same machine says more than a
limit. People who change the hot path run it before and after.
"""

import argparse
import os
import platform
from importlib import metadata

import loops
import measuring
import workloads

TARGETS: dict[tuple[str, int], tuple[float, str]] = {
    ("same", 10): (0.150, "150 ms"),
    ("same", 1_000): (0.500, "500 ms"),
    ("fresh", 10_000): (2.5, "2.5 s"),
    ("same", 10_000): (2.5, "2.5 s"),
}
HELP_TARGET = 0.060
APPLY_TARGET = 0.005
MEMORY_TARGET = 400.0
NAMES = {"fresh": "plan, new stack", "apply": "apply", "same": "plan, no changes"}


def main() -> None:
    """Measure and print, size by size, so that an impatient reader sees the small ones at once."""
    arguments = _parse()
    print(f"herocloud {metadata.version('herocloud')} on its simulator, Python {platform.python_version()}, {os.cpu_count()} processors")
    print(
        f"medians of {arguments.runs} runs up to 100 VMs, of 3 at 1,000, of 2 above; whole processes; a new stack finds no cache of ours\n"
    )
    loops.compile_product()
    seen = loops.help_time(max(arguments.runs, 11))
    print(f"{'--help':34}{_time(seen.seconds):>12}{_time(seen.cpu):>12}{'':28}{_verdict(seen.seconds, HELP_TARGET, '60 ms')}\n")
    compare = not arguments.no_terraform and loops.has_terraform()
    if not compare:
        print("terraform is not on PATH (or was left out): no ratios\n")
    for form in arguments.forms:
        print("one block with a count" if form == "counted" else "a block for each VM")
        print(
            f"{'VMs':>8}  {'':24}{'time':>12}{'CPU':>12}{'a VM':>12}{'memory':>12}    {'target':16}"
            + ("terraform      ratio" if compare else "")
        )
        for size in arguments.sizes:
            _measure(size, form, arguments, compare=compare)
        print()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=lambda text: [int(part) for part in text.split(",")], default=[10, 100, 1_000, 10_000])
    parser.add_argument("--forms", type=lambda text: text.split(","), default=list(workloads.FORMS), help="counted,written")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--no-terraform", action="store_true")
    parser.add_argument(
        "--terraform-apply-limit", type=int, default=1_000, help="above this many resources its apply is left out: it is quadratic"
    )
    return parser.parse_args()


def _measure(size: int, form: workloads.Form, arguments: argparse.Namespace, *, compare: bool) -> None:
    times = arguments.runs if size <= 100 else min(arguments.runs, 3 if size <= 1_000 else 2)
    ours = loops.herocloud(size, form, times)
    theirs = _empty()
    if compare:
        theirs = loops.terraform(size, form, 1 if size >= 1_000 else times, apply=size <= arguments.terraform_apply_limit)
    for question in ("fresh", "apply", "same"):
        mine: measuring.Measured = getattr(ours, question)
        other: measuring.Measured | None = getattr(theirs, question)
        row = f"{size:>8,}  {NAMES[question]:24}{_time(mine.seconds):>12}{_time(mine.cpu):>12}{_time(mine.seconds / size):>12}"
        row += f"{mine.megabytes:>9.0f} MB"
        row += f"    {_target(question, size, mine):16}"
        if other is not None:
            row += f"{_time(other.seconds):>9}{other.seconds / mine.seconds:>10.1f} x"
        elif compare:
            row += f"{'-':>9}"
        print(row.rstrip(), flush=True)


def _empty() -> loops.Loop:
    return loops.Loop(None, None, None)


def _target(question: str, size: int, mine: measuring.Measured) -> str:
    if question == "apply":
        return _verdict(mine.seconds / size, APPLY_TARGET, "5 ms a VM") if size >= 100 else ""
    verdicts = []
    if (question, size) in TARGETS:
        limit, words = TARGETS[question, size]
        verdicts.append(_verdict(mine.seconds, limit, words))
    if size >= 10_000:
        verdicts.append(_verdict(mine.megabytes, MEMORY_TARGET, "400 MB"))
    return ", ".join(verdicts)


def _verdict(value: float, limit: float, words: str) -> str:
    return f"{words} {'ok' if value <= limit else 'over'}"


def _time(seconds: float) -> str:
    if seconds < 0.0995:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


if __name__ == "__main__":
    main()
