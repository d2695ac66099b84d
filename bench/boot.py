"""Prints how long it takes from `herocloud apply` to a guest that is ready, beside the same VMM started by hand.

Both boot the same guest: kernel, initramfs, command line and seed, with the same memory, processor, accelerator, serial console and agent;
on QEMU with a card in user mode as well, so no rights are needed, and to the first byte of its page. The one by hand is what a person would
type: no plan, no records, no room to grow. The two take turns, and the medians count. A guest is ready when its agent answers: on Cloud
Hypervisor over vsock, on QEMU over a virtio port.

What each part took: `before the VMM` is everything until its process exists, `VMM` until the kernel of the guest runs (the guest's own
clock tells, in its ready line), `guest` until that line, `answers` until the agent has said a number back. `processor` is the time that
processors worked for it until then, herocloud's own included: on a busy machine it says more than the clock.

Each boot is printed as it ends. One that fails is printed with its reason and not counted, and the exit code is 1. When the run is
interrupted, it prints the medians of what it has.
"""

import argparse
import os
import shutil
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import measuring
from boot_sides import SIDES, Guest, Sides
from boot_watch import Way

from herocloud.kits import caches
from herocloud.providers.images.builds import tiny

_PARTS = ("before the VMM", "VMM", "guest", "answers")


def main() -> int:
    """Boot both by turns and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hypervisor", choices=sorted(SIDES), default="qemu")
    parser.add_argument("--times", type=int, default=5, help="boots of each that count (%(default)s)")
    parser.add_argument("--memory", type=int, default=256, metavar="MIB", help="of the guest (%(default)s)")
    parser.add_argument("--patience", type=float, default=120, metavar="SECONDS", help="that one boot may take (%(default)s)")
    arguments = parser.parse_args()
    program = SIDES[arguments.hypervisor].program
    if shutil.which(program) is None:
        parser.error(f"--hypervisor {arguments.hypervisor}: `{program}` is not on PATH")
    guest = Guest(tiny.ensure(caches.cache_folder()), arguments.memory, arguments.patience)
    with tempfile.TemporaryDirectory(prefix="hcboot") as name:
        turns = Turns(SIDES[arguments.hypervisor](Path(name), guest))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, turns.interrupt)
        turns.go(arguments.times)
    turns.print_medians()
    return 1 if turns.failed else 0


class Turns:
    """Boots of both sides, one after the other, and what came out."""

    def __init__(self, sides: Sides) -> None:
        """Boot nothing yet."""
        self._sides = sides
        self._ours: list[Way] = []
        self._bare: list[Way] = []
        self.failed = 0

    def go(self, times: int) -> None:
        """Boot."""
        # The first one finds out whether KVM boots guests here, which is remembered; it is not counted.
        self._boot("herocloud, not counted", "first", self._sides.boot_ours, [])
        for number in range(times):
            self._boot(f"herocloud {number + 1}", f"ours{number}", self._sides.boot_ours, self._ours)
            self._boot(f"by hand {number + 1}", f"bare{number}", self._sides.boot_bare, self._bare)

    def interrupt(self, *_signal: object) -> None:
        """Print what there is, and end."""
        self.print_medians()
        sys.exit(1)

    def _boot(self, title: str, name: str, boot: Callable[[str], Way], counted: list[Way]) -> None:
        try:
            way = boot(name)
        except measuring.Failed as error:
            self.failed += 1
            print(f"{title}: failed: {error}", flush=True)
        else:
            counted.append(way)
            parts = ", ".join(f"{part} {seconds:.2f}" for part, seconds in zip(_PARTS, way.parts, strict=True))
            print(f"{title}: ready after {way.ready:.2f} s ({parts})", flush=True)

    def print_medians(self) -> None:
        """Print the medians of both, and their ratio."""
        ours, bare = self._ours, self._bare
        print(
            f"\none guest on {self._sides.hypervisor} under {self._sides.accelerator()}, {len(ours)} boots with herocloud and "
            f"{len(bare)} by hand by turns, {os.cpu_count()} processors; medians in seconds\n"
        )
        if self.failed:
            print(f"{self.failed} boots failed and are not counted")
        if not ours or not bare:
            print("nothing to compare", flush=True)
            return
        print(f"{'':24}{'herocloud':>12}{'by hand':>12}{'ratio':>8}")
        for place, name in enumerate(_PARTS):
            left, right = (statistics.median(one.parts[place] for one in side) for side in (ours, bare))
            print(f"  {name:22}{left:12.2f}{right:12.2f}")
        totals: dict[str, Callable[[Way], float | None]] = {
            "ready": lambda one: one.ready,
            "first byte of its page": lambda one: one.first_byte,
            "processor": lambda one: one.processor,
        }
        for name, of in totals.items():
            sides = [[seconds for one in side if (seconds := of(one)) is not None] for side in (ours, bare)]
            if all(sides):
                left, right = (statistics.median(side) for side in sides)
                print(f"{name:24}{left:12.2f}{right:12.2f}{f'{left / right:.2f}' if right else '-':>8}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
