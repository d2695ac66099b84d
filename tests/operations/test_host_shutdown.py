"""Guests of a host that goes down are asked at once, and one that cannot be spoken to keeps no other from its end."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from herocloud.model.errors import Temporary
from herocloud.operations import host_shutdown, lookups
from herocloud.providers import registry


@pytest.fixture
def guests(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Record VMs of two stacks; each answers as its name says, and only once all of them were asked."""
    asked = threading.Barrier(4)

    def shut_down(_folder: Path, sid: str, seconds: float) -> bool:
        assert seconds == 5.0
        asked.wait(timeout=30)
        if sid == "lost":
            raise Temporary("it does not answer")
        if sid == "broken":
            raise ConnectionResetError
        return sid == "listens"

    def record(stack: str, sid: str, kind: str = "vm") -> Any:
        return SimpleNamespace(kind=kind, stack=stack, address=f"{kind}.{sid}", provider="some", spec={"sid": sid})

    shop = [record("shop", "listens"), record("shop", "deaf"), record("shop", "ended"), record("shop", "lan", "network")]
    blog = [record("blog", "lost"), record("blog", "broken")]
    records = {"shop": {one.address: one for one in shop}, "blog": {one.address: one for one in blog}}
    monkeypatch.setattr(lookups, "read_recorded", lambda _folder: SimpleNamespace(records=records))
    role = SimpleNamespace(runs=lambda _folder, sid: sid != "ended", shut_down=shut_down)
    monkeypatch.setattr(registry, "hypervisor", lambda _name: role)
    return records


def test_all_are_asked_at_once_and_each_is_told_apart(guests: Any, tmp_path: Path) -> None:
    found = host_shutdown.shut_down(tmp_path, 5.0)
    assert found.off == ("shop/vm.listens",)
    assert sorted(found.left) == ["blog/vm.broken", "blog/vm.lost", "shop/vm.deaf"]


def test_a_host_without_vms_goes_down_at_once(guests: Any, tmp_path: Path) -> None:
    guests.clear()
    assert host_shutdown.shut_down(tmp_path, 5.0) == ((), ())
