"""`vm stop` gives the guest the time that the command line says, and none with `--force`."""

from typing import Any

import pytest

from herocloud.cli import exit_codes
from herocloud.providers.seam import Work
from herocloud.providers.simulator.driving import SimulatorDriver

STACK = """\
stack: shop
images: {tiny: {source: "https://example.org/t.qcow2", unpinned: true, format: qcow2}}
vms:
  db: {image: tiny, memory: 1 GiB}
"""


@pytest.fixture
def given(herocloud: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float | None]]:
    """Return what each step of the commands after the first apply was given."""
    herocloud.write(STACK)
    herocloud.done("apply", "-y")
    seen: list[tuple[str, float | None]] = []
    perform = SimulatorDriver.perform

    def look(self: SimulatorDriver, work: Work) -> Any:
        seen.append((work.step.kind, work.shutdown))
        return perform(self, work)

    monkeypatch.setattr(SimulatorDriver, "perform", look)
    return seen


@pytest.mark.parametrize(
    ("flags", "seconds"),
    [([], None), (["--force"], 0.0), (["--timeout", "5min"], 300.0), (["--timeout", "7"], 7.0)],
    ids=["nothing said", "by force", "minutes", "seconds"],
)
def test_the_guest_has_as_long_as_the_flags_say(herocloud: Any, given: list[Any], flags: list[str], seconds: float | None) -> None:
    herocloud.done("vm", "stop", *flags, "db")
    assert given == [("vm.stop", seconds)]


@pytest.mark.parametrize(
    ("flags", "words"),
    [(["--force", "--timeout", "5s"], "nothing to wait for"), (["--timeout", "2 d"], "a day at most"), (["--timeout", "soon"], "soon")],
)
def test_flags_that_make_no_sense_stop_nothing(herocloud: Any, given: list[Any], flags: list[str], words: str) -> None:
    ran = herocloud("vm", "stop", *flags, "db")
    assert ran.code == exit_codes.USAGE
    assert words in ran.err
    assert given == []
