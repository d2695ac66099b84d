"""Whoever may not read rules is told so when it matters, and left in peace when it does not."""

from typing import Any

import pytest

from herocloud.state import state_files

pytestmark = pytest.mark.root

PROGRAM = """
import sys
from pathlib import Path
from herocloud.model.errors import Permanent
from herocloud.providers.network import observing
try:
    print(observing.NetworkObserver(Path(sys.argv[1])).observe().things)
except Permanent as error:
    print(error)
"""
NOTHING = "{}\n"


def _look(site: Any) -> str:
    return str(site.as_nobody(PROGRAM, str(site.folder)))


def test_on_a_host_without_networks_nobody_needs_any_right(site: Any) -> None:
    assert _look(site) == NOTHING


def test_networks_of_somebody_elses_state_are_no_concern(site: Any) -> None:
    site.network()
    (site.folder / state_files.MARKER).unlink()
    assert _look(site) == NOTHING
    (site.folder / state_files.MARKER).write_text("another\n")
    assert _look(site) == NOTHING


def test_networks_of_the_own_state_are_not_taken_for_gone(site: Any, shapes: Any) -> None:
    site.network()
    site.folder.chmod(0o755)
    (site.folder / state_files.MARKER).write_text(f"{shapes.lineage}\n")
    (site.folder / state_files.MARKER).chmod(0o644)
    assert _look(site) == "the rules of networks are shown to nobody without CAP_NET_ADMIN; run it as root\n"
