"""A look at networks while somebody else takes theirs away: what is gone when its turn comes was never there."""

from pathlib import Path
from typing import Any

import pytest

from herocloud.model.errors import Permanent
from herocloud.providers.network import dumps, forward_switch, observing, snapshot


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return a function that looks, `times` of which meet an interface that has just vanished, and returns how many it took."""

    def look(times: int) -> int:
        made = []

        def see(*_: Any, memory: Any = None) -> Any:
            made.append(1)
            if len(made) <= times:
                return forward_switch.serving("hb-gone")
            return None

        monkeypatch.setattr(dumps, "dump_links", lambda: ())
        monkeypatch.setattr(snapshot, "look", see)
        monkeypatch.setattr(observing, "_things", lambda *_: {})
        monkeypatch.setattr(observing, "_has_remains", lambda: True)
        assert observing.NetworkObserver(tmp_path).observe().things == {}
        return len(made)

    return look


def test_an_interface_that_vanishes_is_looked_past(looks: Any) -> None:
    assert looks(2) == 3


def test_what_cannot_be_read_at_all_is_an_error(looks: Any) -> None:
    with pytest.raises(Permanent, match="the networks of this host cannot be read"):
        looks(100)


def test_values_of_interfaces_that_vanish_are_not_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "net/ipv4/conf"
    for name in ("all", "default", "eth0"):
        (folder / name).mkdir(parents=True)
        for field in ("forwarding", "accept_redirects", "send_redirects", "rp_filter"):
            (folder / name / field).write_text("1\n")
    (folder / "hb-gone").mkdir()
    (tmp_path / "net/ipv4/ip_forward").write_text("0\n")
    monkeypatch.setattr(forward_switch, "_ROOT", tmp_path)
    kept = forward_switch.to_keep({})
    assert kept is not None
    assert "net/ipv4/conf/eth0/forwarding=1" in [name for name, _ in kept.rules]
