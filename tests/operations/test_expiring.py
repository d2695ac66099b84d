"""Deleted data whose time has passed goes at the end of the next apply, without anybody asking."""

import json
from typing import Any

import pytest

from herocloud.plan import lost_data

STACK = """\
stack: shop
volumes:
  a: {size: 1 GiB}
  b: {size: 1 GiB}
"""


@pytest.fixture
def deleted(herocloud: Any, data_folder: Any) -> None:
    """Delete a volume whose data is kept."""
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "-q")
    herocloud.write(STACK.replace("  b: {size: 1 GiB}\n", ""))
    herocloud.done("apply", "-y", "-q")


def _kept(herocloud: Any) -> str:
    """Say what could be removed, without removing it."""
    return str(herocloud("state", "gc", "--all").out)


@pytest.mark.usefixtures("deleted")
def test_data_stays_while_its_time_has_not_passed(herocloud: Any) -> None:
    herocloud.write(STACK.replace("b:", "c:"))
    assert "is gone now" not in herocloud.done("apply", "-y").err
    assert "volume.b" in _kept(herocloud)


@pytest.mark.usefixtures("deleted")
def test_the_next_apply_destroys_what_is_older_and_says_so(herocloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_data, "KEEP_SECONDS", 0.0)
    herocloud.write(STACK.replace("b:", "c:"))
    ran = herocloud.done("apply", "-y")
    assert "the deleted data of `volume.b` of stack `shop` was kept for" in ran.err
    assert "is gone now" in ran.err
    assert "There is nothing to remove." in _kept(herocloud)


@pytest.mark.usefixtures("deleted")
def test_trouble_with_old_data_fails_no_apply(herocloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from herocloud.providers.simulator.driving import SimulatorDriver

    def refuse(_self: object, _key: str) -> bool:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(lost_data, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(SimulatorDriver, "drop_tombstone", refuse)
    herocloud.write(STACK.replace("b:", "c:"))
    ran = herocloud.done("apply", "-y")
    assert "deleted data whose time has passed could not be removed" in ran.err
    assert [one["address"] for one in json.loads(herocloud.done("state", "list", "--json").out)["records"]] == ["volume.a", "volume.c"]
