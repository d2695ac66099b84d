"""A daemon that is about to end when it is looked at is started again; one that was started for this and ended is an error."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from herocloud.kits import jsons
from herocloud.model.errors import Permanent
from herocloud.providers.mycelium import daemon_program, iproute, node_settings, own_daemon
from herocloud.providers.mycelium.node_settings import Settings

PUBLIC = bytes(32).hex()


@pytest.fixture
def manage(monkeypatch, tmp_path: Path) -> Any:
    """Manage a daemon of which nothing is real: `answers` says what each wait for it ends with."""
    started: list[object] = []
    monkeypatch.setattr(daemon_program, "find_program", lambda _: "/usr/bin/mycelium")
    monkeypatch.setattr(node_settings, "read_or_choose", lambda *_: Settings(1, 2, 3, "tun"))
    monkeypatch.setattr(own_daemon, "guard", lambda *_: None)
    monkeypatch.setattr(iproute, "link", lambda *_: None)
    monkeypatch.setattr(daemon_program, "has_other_key", lambda *_: False)
    monkeypatch.setattr(daemon_program, "start", lambda *given: started.append(given[1]))

    def run(seen_alive: object, answers: list[object]) -> tuple[object, list[object]]:
        command = own_daemon._command("/usr/bin/mycelium", tmp_path, Settings(1, 2, 3, "tun"), tmp_path / "key")
        ours = SimpleNamespace(digest=jsons.digest(command), pid=0) if seen_alive else None
        monkeypatch.setattr(own_daemon, "_wait", lambda *_: answers.pop(0))
        return own_daemon.manage(tmp_path, ours, tmp_path / "key", PUBLIC), [one is None for one in started]

    return run


def test_a_daemon_that_ends_just_after_it_was_seen_is_started_again(manage) -> None:
    assert manage("alive", [None, "node"]) == ("node", [False, True])


def test_a_daemon_that_was_seen_and_ends_twice_is_an_error(manage) -> None:
    with pytest.raises(Permanent, match="ended at once"):
        manage("alive", [None, None])


def test_a_daemon_that_is_started_for_this_and_ends_is_an_error(manage) -> None:
    with pytest.raises(Permanent, match="ended at once"):
        manage(None, [None])
