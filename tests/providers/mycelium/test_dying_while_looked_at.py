"""A daemon that is about to end when it is looked at is started again; one that was started for this and ended is an error."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from herocloud.kits import jsons
from herocloud.model.errors import Permanent
from herocloud.providers.mycelium import node_process
from herocloud.providers.mycelium.node_process import Settings

PUBLIC = bytes(32)


@pytest.fixture
def manage(monkeypatch, tmp_path: Path) -> Any:
    """Manage a daemon of which nothing is real: `answers` says what each wait for it ends with."""
    started: list[object] = []
    monkeypatch.setattr(node_process.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(node_process, "_settings", lambda *_: Settings(1, 2, 3, "tun"))
    monkeypatch.setattr(node_process, "has_other_key", lambda *_: False)
    monkeypatch.setattr(node_process, "start", lambda *given: started.append(given[1]))

    def run(seen_alive: object, answers: list[object]) -> tuple[object, list[object]]:
        command = node_process._command("/usr/bin/mycelium", tmp_path, Settings(1, 2, 3, "tun"), tmp_path / "key")
        ours = SimpleNamespace(digest=jsons.digest(command)) if seen_alive else None
        monkeypatch.setattr(node_process, "_wait", lambda *_: answers.pop(0))
        return node_process.manage(tmp_path, ours, tmp_path / "key", PUBLIC), [one is None for one in started]

    return run


def test_a_daemon_that_ends_just_after_it_was_seen_is_started_again(manage) -> None:
    assert manage("alive", [None, "node"]) == ("node", [False, True])


def test_a_daemon_that_was_seen_and_ends_twice_is_an_error(manage) -> None:
    with pytest.raises(Permanent, match="ended at once"):
        manage("alive", [None, None])


def test_a_daemon_that_is_started_for_this_and_ends_is_an_error(manage) -> None:
    with pytest.raises(Permanent, match="ended at once"):
        manage(None, [None])
