"""A plan that is made again because the world moved says what moved, to people, in events and in the notes of a job."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.operations import stack_plans
from herocloud.providers.simulator import world

IMAGE = "images: {d: {source: 'https://example.org/d.qcow2', unpinned: true, format: qcow2}}\n"
SHOP = f"stack: shop\n{IMAGE}vms: {{y: {{image: d}}}}\n"
OTHER = f"stack: b\n{IMAGE}vms: {{x: {{image: d}}}}\n"
TAKEN = "slice `s1` is in use by `vm.x` of stack `b` now, so `vm.y` gets `s2`"

Answer = Callable[..., tuple[int, str]]


@pytest.fixture
def taking(herocloud: Any) -> Callable[[], None]:
    """Return a function that lets another stack take the slice that the plan wants."""
    herocloud.write(SHOP)
    herocloud.write(OTHER, "b.yaml")
    return lambda: herocloud.done("apply", "-y", "-q", "-f", "b.yaml")


@pytest.fixture
def moving(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Return a function that does something right after the first plan is made."""

    def arrange(act: Callable[[], None]) -> None:
        make, acts = stack_plans.make_plan, [act]

        def make_plan(*arguments: Any, **more: Any) -> Any:
            planned = make(*arguments, **more)
            if acts:
                acts.pop()()
            return planned

        monkeypatch.setattr(stack_plans, "make_plan", make_plan)

    return arrange


def test_a_person_who_is_asked_again_reads_who_took_the_slice(taking: Callable[[], None], answer: Answer) -> None:
    code, screen = answer("apply", answer="yes\n", again="yes\n", meanwhile=taking)
    assert code == 0, screen
    flat = " ".join(screen.split())
    assert f"note: this is another plan than the one before: {TAKEN}" in flat
    assert flat.index(TAKEN) < flat.index("slice s2")
    assert flat.count("this is another plan") == 1


def test_a_quiet_person_reads_it_too(taking: Callable[[], None], answer: Answer) -> None:
    screen = answer("apply", "-q", answer="yes\n", again="yes\n", meanwhile=taking)[1]
    assert TAKEN in " ".join(screen.split())


def test_without_a_question_two_plans_are_explained_as_well(herocloud: Any, taking: Callable[[], None], moving: Any) -> None:
    moving(taking)
    ran = herocloud.done("apply", "-y")
    assert ran.out.count("Plan: 2 to add") == 2
    assert TAKEN in " ".join(ran.err.split())


def test_events_say_it_between_the_plans(herocloud: Any, taking: Callable[[], None], moving: Any) -> None:
    moving(taking)
    lines = [json.loads(line) for line in herocloud.done("apply", "-y", "--json").out.splitlines()]
    kinds = [line["type"] for line in lines]
    [said] = [line for line in lines if line["type"] == "diagnostic"]
    assert (said["diagnostic"]["code"], said["diagnostic"]["severity"], said["@level"]) == ("planned-again", "note", "info")
    assert said["diagnostic"]["detail"] == TAKEN
    assert kinds.index("planned_change") < kinds.index("diagnostic") < len(kinds) - 1 - kinds[::-1].index("planned_change")


def _remove(herocloud: Any, *names: str) -> None:
    for name in names:
        world.remove_thing(herocloud.data_folder, name)


@pytest.mark.parametrize(
    ("edited", "act", "says"),
    [
        ("memory: 2 GiB", lambda run: _remove(run, "vm.y"), "`vm.y` is gone from the host"),
        ("memory: 2 GiB", lambda run: run.done("vm", "stop", "y"), "`vm.y` changed: state running → stopped"),
        ("vcpus: 2", lambda run: run.done("apply", "-y", "-q", "-f", "other.yaml"), "`vm.y` changed: memory 4 GiB → 3 GiB"),
        ("vcpus: 2", lambda run: run.done("destroy", "-y", "-q"), "`vm.y` is not recorded any more"),
    ],
    ids=["gone", "stopped", "changed by another apply", "destroyed"],
)
def test_what_else_may_move_is_named(herocloud: Any, moving: Any, edited: str, act: Callable[[Any], None], says: str) -> None:
    herocloud.write(SHOP)
    herocloud.done("apply", "-y", "-q")
    herocloud.write(SHOP.replace("image: d}", "image: d, memory: 3 GiB}"), "other.yaml")
    herocloud.write(SHOP.replace("image: d}", f"image: d, {edited}}}"))
    moving(lambda: act(herocloud))
    ran = herocloud("apply", "-y")
    assert says in " ".join(ran.err.split())
    assert ran.err.count("this is another plan") == 1


def test_a_world_that_stays_needs_no_explanation(herocloud: Any, shop: Path) -> None:
    assert "another plan" not in herocloud.done("apply", "-y").err
