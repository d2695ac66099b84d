"""A daemon that is about to end when it is looked at is started again; one that was started for this and ended is an error."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from herocloud.kits import jsons
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.mycelium import daemon_program, iproute, node_settings, own_daemon
from herocloud.providers.mycelium.node_settings import Settings
from herocloud.providers.vmm import identity, launch

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


@pytest.mark.parametrize("kept", [True, False], ids=["with a keeper", "without a keeper"])
def test_a_dying_daemon_counts_as_running_only_beside_a_keeper(monkeypatch, tmp_path: Path, kept: bool) -> None:  # noqa: FBT001
    """Killed together with its keeper it holds its lock for an instant, and nobody starts it again."""
    held, launched = [True, True, False, False], []
    monkeypatch.setattr(identity, "is_held", lambda _record: held.pop(0))
    monkeypatch.setattr(identity, "read", lambda _record: "a process")
    monkeypatch.setattr(identity, "is_alive", lambda _known: True)
    monkeypatch.setattr(launch, "has_keeper", lambda _record: kept)
    monkeypatch.setattr(launch, "launch", launched.append)
    monkeypatch.setattr(launch, "keep", lambda *_, **__: None)
    what = SimpleNamespace(record=tmp_path / "process")
    daemon_program.start(what, None)
    assert launched == ([] if kept else [what])


def test_a_daemon_that_was_killed_together_with_its_keeper_is_not_waited_for(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(own_daemon, "_PATIENCE", 0.0)
    settings = Settings(1, 2, 3, "tun")
    assert own_daemon._wait(tmp_path, settings, PUBLIC) is None
    monkeypatch.setattr(launch, "has_keeper", lambda _record: True)
    with pytest.raises(Temporary, match="does not answer"):
        own_daemon._wait(tmp_path, settings, PUBLIC)
