"""A plan that was just made is made again when the world moves before it begins, and decided about again when it came out differently."""

import contextlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest

from herocloud.model.applies import Begun, Pending, Scope
from herocloud.model.errors import Stale
from herocloud.model.ids import Address, PlanId, StackName
from herocloud.model.outcomes import Event
from herocloud.model.plans import Plan
from herocloud.model.words import Approval
from herocloud.operations import admission, apply, stack_plans, unfinished
from herocloud.operations.callers import Granted, Handed, How
from herocloud.operations.inputs import Sources
from herocloud.operations.stack_plans import Asked, Planned
from herocloud.providers.simulator import world
from herocloud.state import locking
from tests.apply import pairs

STACK = """\
stack: shop
images:
  tiny: {source: "https://example.org/tiny.raw", unpinned: true, format: raw}
vms:
  web: {image: tiny, memory: 1 GiB}
"""


class Slow(Granted):
    """Somebody who grants everything, and thinks while the world goes on and others work."""

    asks = True

    def __init__(self, folder: Path, *gone: str) -> None:
        super().__init__(frozenset(Approval))
        self._folder, self._gone = folder, gone
        self.shown: list[list[str]] = []

    def approve(self, planned: Planned) -> frozenset[Approval]:
        with admission.locked(self._folder, Scope(StackName("shop")), "another", None, pairs.how()._replace(lock_timeout=0)):
            pass  # nobody waits for this person
        self.shown.append([f"{change.address} {change.action.value}" for change in planned.plan.changing])
        for address in self._gone if len(self.shown) == 1 else ():
            world.remove_thing(self._folder, Address(address))
        return super().approve(planned)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (folder / "host.yaml").write_text(pairs.HOST, encoding="utf-8")
    file = tmp_path / "shop.yaml"
    file.write_text(STACK, encoding="utf-8")
    found = Sources((str(file),))
    assert apply.plan_and_apply(folder, found, Asked(), pairs.how(), pairs.EVERYTHING).result is not None
    return found


def test_what_vanished_while_somebody_was_thinking_is_planned_and_shown_again(tmp_path: Path, sources: Sources) -> None:
    folder = tmp_path / "data"
    (tmp_path / "shop.yaml").write_text(STACK.replace("1 GiB", "2 GiB"), encoding="utf-8")
    person = Slow(folder, "vm.web")
    applied = apply.plan_and_apply(folder, sources, Asked(), pairs.how(), person)
    assert applied.result is not None
    assert not applied.result.failed
    assert person.shown == [["vm.web update"], ["vm.web create"]]
    assert not stack_plans.make_plan(folder, sources, Asked()).plan.changing


def test_a_world_that_stays_is_shown_once(tmp_path: Path, sources: Sources) -> None:
    (tmp_path / "shop.yaml").write_text(STACK.replace("1 GiB", "2 GiB"), encoding="utf-8")
    person = Slow(tmp_path / "data")
    applied = apply.plan_and_apply(tmp_path / "data", sources, Asked(), pairs.how(), person)
    assert applied.result is not None
    assert person.shown == [["vm.web update"]]


def test_whoever_runs_it_hears_why_it_was_planned_again(tmp_path: Path, sources: Sources) -> None:
    (tmp_path / "shop.yaml").write_text(STACK.replace("1 GiB", "2 GiB"), encoding="utf-8")
    heard: list[str] = []
    how = pairs.how()._replace(note=heard.append)
    apply.plan_and_apply(tmp_path / "data", sources, Asked(), how, Slow(tmp_path / "data", "vm.web"))
    assert heard == ["this is another plan than the one before: `vm.web` is gone from the host"]


def test_a_plan_made_again_for_a_daemon_is_the_one_that_runs_here_when_it_declines(tmp_path: Path, sources: Sources) -> None:
    (tmp_path / "shop.yaml").write_text(STACK.replace("1 GiB", "2 GiB"), encoding="utf-8")
    person = Slow(tmp_path / "data", "vm.web")
    handed: list[PlanId] = []

    class Carrier:
        def carry(self, carried: Handed, _how: How) -> None:
            handed.append(carried.plan.id)
            if len(handed) == 1:
                raise Stale([])

    applied = apply.plan_and_apply(tmp_path / "data", sources, Asked(), pairs.how()._replace(carrier=Carrier()), person)
    assert applied.plan is not None
    assert applied.plan.id == handed[1]
    assert person.shown == [["vm.web update"], ["vm.web create"]]


def test_an_apply_that_was_planned_again_under_its_lock_is_not_taken_for_one_that_was_cut_off(tmp_path: Path, sources: Sources) -> None:
    folder = tmp_path / "data"
    (tmp_path / "shop.yaml").write_text(STACK.replace("1 GiB", "2 GiB"), encoding="utf-8")
    heard: list[str] = []
    seen: list[tuple[PlanId, bool]] = []
    locked_for: list[str | None] = []

    @contextlib.contextmanager
    def watch(plan: Plan, _finished: Collection[str], _begun: Begun) -> Iterator[Callable[[Event], None]]:
        (pending,) = unfinished.list_unfinished(folder)
        seen.append((pending.plan, pending.alive))
        locked_for.extend(holder.plan for holder in locking.read_holders(folder))
        assert pending.plan == plan.id
        yield lambda _event: None

    class Program(Granted):
        """A caller that nobody can ask."""

        def approve(self, planned: Planned) -> frozenset[Approval]:
            heard.append(planned.plan.id)
            if len(heard) == 1:
                world.remove_thing(folder, Address("vm.web"))
            return frozenset(Approval)

    apply.plan_and_apply(folder, sources, Asked(), pairs.how()._replace(watch=watch), Program(frozenset(Approval)))
    assert len(set(heard)) == 2
    assert seen == [(heard[1], True)]
    assert locked_for == [heard[1]]


def test_what_came_to_its_end_while_its_lock_was_looked_at_is_not_in_the_way(tmp_path: Path, sources: Sources) -> None:
    assert sources
    over = Pending(1, PlanId("p1"), StackName("shop"), "apply", "running", 1.0)
    assert unfinished.in_the_way(tmp_path / "data", [over], Scope(StackName("shop"))) == []
