"""Kills herocloud, hypervisors and their keepers while real guests live, and counts what is lost.

Two VMs are created, changed, snapshotted with their memory, restored, cloned, restarted and destroyed, in a network namespace of their own;
each command is struck at a random moment, and the next command goes on. Guests write to their disks and sync before it, and are read
afterwards. Links, rules, files and processes are compared with those of a life that nobody disturbed. It needs root, and leaves the machine
as it is. A guest under emulation boots in seconds, so a life takes a minute or two.
"""

import argparse
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import campaigns

from herocloud.kits import caches
from herocloud.providers.images.builds import tiny
from herocloud.state import store as states


def main() -> int:
    """Strike, count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30, help="at least (%(default)s)")
    parser.add_argument("--hypervisor", choices=["qemu", "cloud-hypervisor"], default="qemu")
    arguments = campaigns.begin(parser)
    # Guests that run are ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    lives = campaigns.lives
    kills: Counter[str] = Counter()
    bad = number = 0
    with tempfile.TemporaryDirectory(prefix="herocloud-crash-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        campaign = Lives(folder, arguments.hypervisor)
        usual = campaign.live({})
        for problem in usual.problems:
            print(f"  without a blow: {problem}")
        print("undisturbed:", ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in usual.took.items()), flush=True)
        while not usual.problems and kills.total() < arguments.kills:
            blows = lives.choose_blows(arguments.seed + number)
            lived = campaign.live(blows, usual)
            number += 1
            kills.update(lived.kills)
            bad += bool(lived.problems)
            for problem in lived.problems:
                print(f"  seed {arguments.seed + number - 1}: {problem}")
            said = ", ".join(f"{count} of {victim}" for victim, count in sorted(kills.items()))
            print(f"{number:>4} lives{kills.total():>6} kills ({said}){bad:>4} lives not clean", flush=True)
    print(f"\n{kills.total():,} kills, {number - bad:,} of {number:,} lives clean")
    return 1 if bad or usual.problems else 0


class Lives:
    """One life after the other, each in a folder of its own that goes with it."""

    def __init__(self, folder: Path, hypervisor: str) -> None:
        """Build the guest, and the state that all of them begin with."""
        self._folder, self._hypervisor = folder, hypervisor
        self._image = tiny.ensure(caches.cache_folder())
        self._state = folder / "state"
        self._state.mkdir(mode=0o700)
        with states.open_state(self._state, write=True):  # type: ignore[union-attr]
            pass

    def live(self, blows: dict[str, Any], usual: Any = None) -> Any:
        """Live once."""
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            Path(name).chmod(0o755)
            life = campaigns.lives.Life(Path(name), self._image, self._hypervisor, self._state)
            try:
                return life.live(blows, usual)
            finally:
                life.close()


if __name__ == "__main__":
    raise SystemExit(main())
