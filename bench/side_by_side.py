"""Prints plan, apply and the plan after it, ours beside OpenTofu's, in one run: at 100, 1,000 and 5,000 resources.

Both have to make the same: an image, a network and so many machines, of which none exists. Ours runs every step on the simulator and
waits for the disk before and after it; OpenTofu's `terraform_data` does nothing. A ratio below 1 says that ours is faster.
"""

import argparse

import loops

QUESTIONS = (("fresh", "plan, new stack"), ("apply", "apply"), ("same", "plan, no changes"))


def main() -> None:
    """Measure and print, size by size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=lambda text: [int(part) for part in text.split(",")], default=[100, 1_000, 5_000])
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    peer = loops.find_peer()
    if peer is None:
        print("skipped: neither `tofu` nor `terraform` is on PATH, so there is nothing to stand beside")
        return
    loops.compile_product()
    print(f"medians of {arguments.runs} runs, whole processes; CPU time is what all threads worked together\n")
    print(f"{'size':>8}  {'':18}{'herocloud':>12}{peer:>12}{'ratio':>9}{'CPU':>12}{peer:>12}{'ratio':>9}")
    for size in arguments.sizes:
        ours = loops.herocloud(size, "counted", arguments.runs)
        theirs = loops.terraform(size, "counted", arguments.runs, apply=True)
        for field, words in QUESTIONS:
            mine, other = getattr(ours, field), getattr(theirs, field)
            wall = f"{mine.seconds:>10.2f} s{other.seconds:>10.2f} s{mine.seconds / other.seconds:>9.2f}"
            print(f"{size:>8}  {words:18}{wall}{mine.cpu:>10.2f} s{other.cpu:>10.2f} s{mine.cpu / other.cpu:>9.2f}", flush=True)


if __name__ == "__main__":
    main()
