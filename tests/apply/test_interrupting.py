"""The first interrupt lets running steps finish within a bound; the second stops now. Both can be resumed."""

import threading
from typing import Never

import pytest

from herocloud.model.errors import Temporary
from herocloud.model.steps import Step
from herocloud.model.words import Status


def chain(step) -> list[Step]:
    return [
        step("volume.a/volume.create", last=True),
        step("volume.b/volume.create", needs=["volume.a/volume.create"], last=True),
    ]


def test_the_first_interrupt_lets_the_running_step_finish_and_starts_nothing_new(bench, step, plan) -> None:
    bench.world.on("volume.a/volume.create", lambda _: bench.interrupts.stop())
    result = bench.execute(plan(chain(step)))
    assert result.interrupted
    assert [outcome.status for outcome in result.outcomes] == [Status.DONE, Status.CANCELLED]
    assert (bench.store.status, bench.store.states) == ("interrupted", {"volume.a/volume.create": "done"})


def test_a_provider_is_asked_to_give_up_and_may(bench, step, plan) -> None:
    def long_work(work) -> Never:
        bench.interrupts.stop()
        while not work.cancelled():
            threading.Event().wait(0.001)
        raise Temporary("gave up at half")

    bench.world.on("volume.a/volume.create", long_work)
    result = bench.execute(plan(chain(step)))
    assert [outcome.status for outcome in result.outcomes] == [Status.CANCELLED, Status.CANCELLED]
    assert bench.store.states == {"volume.a/volume.create": "cancelled"}


def test_patience_with_running_steps_is_bounded(bench, step, plan) -> None:
    def hang(work) -> None:
        bench.interrupts.stop()
        bench.world.hung.wait(20)

    bench.world.on("volume.a/volume.create", hang)
    result = bench.execute(plan(chain(step)), grace=30)
    bench.world.hung.set()
    assert result.interrupted
    assert bench.clock.elapsed() == pytest.approx(1030)
    assert (bench.store.status, bench.store.states) == ("interrupted", {"volume.a/volume.create": "intent"})


def test_the_second_interrupt_stops_now_and_leaves_the_journal_as_it_is(bench, step, plan) -> None:
    def hang(work) -> None:
        bench.interrupts.stop()
        bench.interrupts.stop()
        bench.world.hung.wait(20)

    bench.world.on("volume.a/volume.create", hang)
    result = bench.execute(plan(chain(step)))
    bench.world.hung.set()
    assert result.interrupted
    assert (bench.store.status, bench.store.states) == ("running", {"volume.a/volume.create": "intent"})
    assert bench.clock.elapsed() < 1001


def test_a_step_that_waits_to_be_tried_again_is_cancelled_at_once(bench, step, plan, fault) -> None:
    bench.world.on("volume.a/volume.create", fault(Temporary("busy", 5.0)))

    def tell(event) -> None:
        if event.type == "retry":
            bench.interrupts.stop()

    bench.tell = tell
    bench.execute(plan(chain(step)))
    assert bench.store.states == {"volume.a/volume.create": "cancelled"}
    assert bench.world.performed() == ["volume.a/volume.create"]


def test_the_note_names_what_is_waited_for_without_drowning_the_screen(bench, step, plan) -> None:
    steps = [step(f"peer.p{number}/peer.add", last=True) for number in range(6)]
    for one in steps:
        bench.world.on(one.id, lambda _: bench.world.hung.wait(20) and None)
    bench.world.script[steps[0].id] = [lambda _: bench.interrupts.stop() or (bench.world.hung.wait(20) and None)]

    def tell(event) -> None:
        bench.events.append(event)
        if event.type == "note":
            bench.world.hung.set()

    bench.tell = tell
    bench.execute(plan(steps), parallelism=6)
    (note,) = bench.told("note")
    assert note.detail.startswith("interrupted: waiting up to 30 s for peer.p0/peer.add, peer.p1/peer.add, peer.p2/peer.add and 3 more;")


def test_an_interrupt_before_anything_ran_changes_nothing(bench, step, plan) -> None:
    bench.interrupts.stop()
    result = bench.execute(plan(chain(step)))
    assert result.interrupted
    assert bench.world.calls == []


def test_an_interrupt_after_the_last_step_is_not_an_interrupted_apply(bench, step, plan) -> None:
    bench.world.on("volume.b/volume.create", lambda _: bench.interrupts.stop())
    result = bench.execute(plan(chain(step)))
    assert not result.interrupted
    assert bench.store.status == "done"


def test_the_result_says_which_way_an_interrupted_apply_went(bench, step, plan) -> None:
    bench.interrupts.stop()
    result = bench.execute(plan(chain(step)))
    assert (result.interrupted, result.went_back) == (True, False)
