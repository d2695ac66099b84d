"""The crash campaigns of the tests, for runs that are longer than a test may be: there is one campaign, and the tests run a part of it."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from tests.apply import campaign, pairs, real_campaign, real_pairs, real_world, sites
from tests.guests import lives
from tests.providers.network import ability

__all__ = ["ability", "campaign", "lives", "pairs", "real_campaign", "real_pairs", "real_world", "sites"]
