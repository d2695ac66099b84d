"""The crash campaigns of the tests, for runs that are longer than a test may be: there is one campaign, and the tests run a part of it."""

import argparse
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from tests.apply import campaign, pairs, real_campaign, real_pairs, real_world, sites
from tests.guests import lives
from tests.providers.network import ability

__all__ = ["ability", "begin", "campaign", "lives", "pairs", "real_campaign", "real_pairs", "real_world", "sites"]


def begin(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Read the flags, with the seed that all campaigns have, and print it; ends the program where this host cannot take part."""
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    if lacking := ability.missing():
        sys.exit(lacking)
    print(f"seed {arguments.seed}")
    return arguments
