"""An undo relies on the data that it brings back: where that goes before it begins it touches nothing, and afterwards it cannot go."""

import contextlib
import json
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.model.applies import HOST
from herocloud.model.errors import Stale
from herocloud.operations import admission, apply, approval, reversal
from herocloud.operations.callers import Handed
from herocloud.plan import lost_data
from herocloud.providers.simulator import moves
from tests.apply import pairs

STACK = """\
stack: shop
images:
  debian: {{source: "https://example.org/{image}.qcow2", unpinned: true, format: qcow2}}
vms: {{web: {{image: debian, memory: 1 GiB}}}}
"""
LAB = "stack: lab\nnetworks: {lan: {cidr: 10.43.0.0/24}}\n"


@pytest.fixture
def replaced(herocloud: Any) -> str:
    """Replace a VM, whose first disk is kept; returns what is on its second."""
    for image in ("old", "new"):
        herocloud.write(STACK.format(image=image))
        herocloud.done("apply", "-y", "-q")
    return _content(herocloud)


def _content(herocloud: Any) -> str:
    """Return what is on the disk of the VM, which runs."""
    (vm,) = json.loads(herocloud.done("vm", "list", "--json").out)["vms"]
    assert vm["state"] == "running"
    with sqlite3.connect(herocloud.data_folder / "simulator.db") as world:
        ((contents,),) = world.execute("SELECT contents FROM things WHERE address = 'vm.web'").fetchall()
    world.close()
    return str(json.loads(contents)["disk"])


def _drop_all(folder: Path, apply: str = "") -> None:
    """Destroy what is kept, or what this apply took away."""
    with sqlite3.connect(folder / "simulator.db") as world:
        for stone in moves.list_tombstones(world):
            if not apply or apply in stone.by:
                moves.drop(world, stone.key)
    world.close()


def _purge(herocloud: Any) -> None:
    assert "of 1 tombstone, " in herocloud.done("state", "gc", "--all", "-y").out


def _expire(herocloud: Any) -> None:
    """Apply another stack once the time of what is kept has passed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lost_data, "KEEP_SECONDS", 0.0)
        herocloud.write(LAB, "lab.yaml")
        assert "is gone now" in herocloud.done("apply", "-y", "-f", "lab.yaml").err


def _applies(herocloud: Any) -> list[str]:
    return [one["operation"] for one in json.loads(herocloud.done("state", "log", "--json").out)["history"] if one["stack"] == "shop"]


@pytest.mark.parametrize("destroy", [_purge, _expire], ids=["state gc", "its time"])
def test_data_that_goes_while_somebody_thinks_stops_the_undo(herocloud, answer, replaced, destroy: Callable[[Any], None]) -> None:
    code, screen = answer("undo", answer="web\n", meanwhile=lambda: destroy(herocloud))
    assert code == 1, screen
    assert "Deleted data is gone" in screen
    assert _content(herocloud) == replaced
    assert _applies(herocloud) == ["apply", "apply"]
    assert herocloud.done("drift").out == "No drift.\n"


def test_data_that_goes_between_the_last_look_and_the_beginning_stops_the_undo(herocloud, replaced) -> None:
    locked = admission.locked

    @contextlib.contextmanager
    def too_late(folder: Path, scope: Any, *rest: Any) -> Iterator[None]:
        if scope == HOST:
            _drop_all(folder)
        with locked(folder, scope, *rest):
            yield

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(admission, "locked", too_late)
        ran = herocloud("undo", "-y")
    assert ran.code == 1, ran.both
    assert "Deleted data is gone" in ran.err
    assert _content(herocloud) == replaced


def test_an_undo_that_another_process_carries_out_is_stale_without_its_data(herocloud, replaced) -> None:
    planned = reversal.plan_undo(herocloud.data_folder, None)
    _purge(herocloud)
    handed = Handed(planned.plan, frozenset(approval.EVERYTHING), None, planned.undoes)
    with pytest.raises(Stale) as stale:
        apply.run_handed(herocloud.data_folder, handed, pairs.how())
    (said,) = stale.value.diagnostics
    assert said.address == "vm.web"
    assert "the deleted data of `vm.web` is gone for good" in said.detail
    assert _content(herocloud) == replaced


def _cut(herocloud: Any, spawn: Any, point: str, *command: str) -> None:
    cut = spawn(*command, "-y", "-q", env={**os.environ, "HEROCLOUD_FAULTS": f"simulator.{point}:1:kill"})
    cut.communicate(timeout=60)
    assert cut.returncode == -signal.SIGKILL


@pytest.mark.parametrize("way", [(), ("--rollback",)], ids=["finished", "taken back"])
def test_what_an_undo_that_was_cut_off_needs_stays(herocloud, spawn, replaced, way) -> None:
    _cut(herocloud, spawn, "vm.stop.after", "undo")
    ran = herocloud.done("state", "gc", "--all", "-y")
    assert ran.out == "There is nothing to remove.\n"
    assert "`apply-3` has not ended and may need the deleted data of `vm.web`, which stays until it has." in ran.err
    held = json.loads(herocloud.done("state", "gc", "--all", "-y", "--json").out)["held"]
    assert held == [{"stack": "shop", "address": "vm.web", "apply": "apply-3"}]
    herocloud.done("resume", "-y", "-q", *way)
    assert (_content(herocloud) == replaced) == bool(way)
    assert "of 1 tombstone, " in herocloud.done("state", "gc", "--all", "-y").out, "nothing is held for an apply that has ended"


def test_what_a_rollback_needs_stays_although_its_time_has_passed(herocloud, spawn, replaced, monkeypatch) -> None:
    _purge(herocloud)
    _cut(herocloud, spawn, "disk.delete.after", "destroy")
    monkeypatch.setattr(lost_data, "KEEP_SECONDS", 0.0)
    herocloud.write(LAB, "lab.yaml")
    assert "is gone now" not in herocloud.done("apply", "-y", "-f", "lab.yaml").err
    herocloud.done("resume", "apply-3", "--rollback", "-y", "-q")
    assert _content(herocloud) == replaced


def test_data_that_goes_while_somebody_thinks_of_a_rollback_is_asked_about_again(herocloud, answer, spawn, replaced) -> None:
    _purge(herocloud)
    _cut(herocloud, spawn, "disk.delete.after", "destroy")
    code, screen = answer("resume", "--rollback", answer="yes\n", meanwhile=lambda: _drop_all(herocloud.data_folder))
    assert code == 12, screen
    assert "cannot come back" in screen


def test_a_vm_of_which_several_things_are_held_is_named_once(herocloud, spawn) -> None:
    herocloud.write(STACK.format(image="old"))
    herocloud.done("apply", "-y", "-q")
    herocloud.done("vm", "snapshot", "create", "web", "--name", "one")
    herocloud.write("stack: shop\n")
    herocloud.done("apply", "-y", "-q")
    _cut(herocloud, spawn, "image.fetch.after", "undo", "--parallelism", "1")
    ran = herocloud.done("state", "gc", "--all", "-y")
    assert "may need the deleted data of `vm.web`, which stays" in ran.err
    held = json.loads(herocloud.done("state", "gc", "--all", "-y", "--json").out)["held"]
    assert len(held) == 2, "one for each tombstone"


@pytest.mark.parametrize("point", ["apply.begin.after", "simulator.vm.stop.after", "simulator.disk.delete.after"])
def test_an_undo_that_was_cut_off_is_not_finished_once_its_data_is_gone(herocloud, spawn, replaced, point: str) -> None:
    cut = spawn("undo", "-y", "-q", env={**os.environ, "HEROCLOUD_FAULTS": f"{point}:1:kill"})
    cut.communicate(timeout=60)
    assert cut.returncode == -signal.SIGKILL
    _drop_all(herocloud.data_folder, "apply-2")
    for words in ((), ("-y",)):
        refused = herocloud("resume", *words)
        assert refused.code == 1, refused.both
        assert "Deleted data is gone (vm.web)" in refused.err
        assert "`herocloud resume apply-3 --rollback` takes back what it did" in refused.err
        assert "comes back" not in refused.both
    herocloud.done("resume", "--rollback", "-y", "-q")
    assert _content(herocloud) == replaced
    assert herocloud.done("drift").out == "No drift.\n"


def test_an_undo_that_was_cut_off_once_its_data_was_back_is_finished(herocloud, spawn, replaced) -> None:
    _cut(herocloud, spawn, "vm.boot.before", "undo")
    _drop_all(herocloud.data_folder, "apply-2")
    herocloud.done("resume", "-y", "-q")
    assert _content(herocloud) != replaced


def test_data_that_goes_while_somebody_thinks_of_finishing_an_undo_stops_it(herocloud, answer, spawn, replaced) -> None:
    _cut(herocloud, spawn, "vm.stop.after", "undo")
    code, screen = answer("resume", answer="web\n", meanwhile=lambda: _drop_all(herocloud.data_folder))
    assert code == 1, screen
    assert "Deleted data is gone" in screen
    herocloud.done("resume", "--rollback", "-y", "-q")
    assert _content(herocloud) == replaced
