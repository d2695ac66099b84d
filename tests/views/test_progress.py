import io
from typing import Any, Never

import pytest

from herocloud.model.outcomes import Event
from herocloud.views import progress


class Clock:
    """A time that moves when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _watch(plans, clock, *, terminal, plan=None) -> tuple[progress.Progress, io.StringIO]:
    sink = io.StringIO()
    shown = progress.Progress(plan or plans.example(), sink, terminal=terminal, clock=clock, width=lambda: 80)
    return shown, sink


def _event(step, kind, **more: Any) -> Event:
    return Event(kind, step.address, step.id, step.kind, **more)


def _run(plans, shown, clock, *, fail=None) -> None:
    for step in plans.example().steps:
        shown.tell(_event(step, "apply_start"))
        clock.now += 1.5
        if step.kind == fail:
            shown.tell(_event(step, "apply_errored", seconds=1.5, detail="kernel panicked\nmore"))
        else:
            shown.tell(_event(step, "apply_complete", seconds=1.5))
    shown.close()


def test_away_from_a_terminal_each_finished_change_is_a_plain_line(plans, clock, snapshot) -> None:
    shown, sink = _watch(plans, clock, terminal=False)
    _run(plans, shown, clock, fail="vm.configure")
    assert sink.getvalue() == snapshot


def test_a_heartbeat_shows_life_while_a_step_takes_long(plans, clock) -> None:
    shown, sink = _watch(plans, clock, terminal=False)
    step = plans.example().steps[0]
    shown.tell(_event(step, "apply_start"))
    clock.now += 9
    shown.refresh()
    assert sink.getvalue() == ""
    clock.now += 3
    shown.refresh()
    assert sink.getvalue() == "    0 of 15 steps · 12 s of about 40 s · running: volume.scratch volume.delete for 12 s\n"


def test_on_a_terminal_running_steps_show_elapsed_against_expected(plans, clock) -> None:
    shown, sink = _watch(plans, clock, terminal=True)
    stop = next(step for step in plans.example().steps if step.kind == "vm.stop")
    shown.tell(_event(stop, "apply_start"))
    shown.tell(_event(stop, "apply_progress", detail="power button pressed"))
    clock.now += 3
    shown.refresh()
    lines = sink.getvalue().splitlines()
    assert lines[0] == "    vm.cache         vm.stop         3 s of about 8 s · power button pressed"
    assert lines[1] == "  0 of 15 steps · 3 s of about 40 s"


def test_the_moving_part_is_taken_away_at_the_end(plans, clock) -> None:
    shown, sink = _watch(plans, clock, terminal=True)
    _run(plans, shown, clock)
    last = sink.getvalue().rpartition("\x1b[J")[2]
    assert "steps" not in last


def test_many_events_at_once_are_drawn_once(plans, clock) -> None:
    shown, sink = _watch(plans, clock, terminal=True)
    for step in plans.example().steps:
        shown.tell(_event(step, "apply_start"))
    assert sink.getvalue() == ""
    shown.refresh()
    assert "… and 5 more" in sink.getvalue()


def test_lines_never_exceed_the_width_of_the_terminal(plans, clock) -> None:
    shown, sink = _watch(plans, clock, terminal=True)
    step = plans.example().steps[0]
    shown.tell(_event(step, "apply_start"))
    shown.tell(_event(step, "apply_progress", detail="x" * 500))
    shown.refresh()
    assert max(map(len, sink.getvalue().splitlines())) < 80


def test_large_plans_show_only_failures_and_heartbeats_in_a_log(plans, clock) -> None:
    plan = plans.plan(*(plans.update(f"vm.web[{i}]") for i in range(300)))
    shown, sink = _watch(plans, clock, terminal=False, plan=plan)
    for step in plan.steps:
        shown.tell(_event(step, "apply_start"))
        shown.tell(_event(step, "apply_errored", detail="no") if step.address == "vm.web[7]" else _event(step, "apply_complete"))
    assert sink.getvalue().splitlines() == ["  x vm.web[7]     vm.resize failed after 0 s: no"]


def test_steps_of_an_earlier_run_count_as_done(plans, clock) -> None:
    plan = plans.example()
    board = progress.Board(plan, before=[step.id for step in plan.steps[:4]])
    assert board.total(0).startswith("4 of 15 steps")


def test_retries_and_notes_are_told(plans, clock) -> None:
    shown, sink = _watch(plans, clock, terminal=False)
    shown.tell(_event(plans.example().steps[0], "retry", detail="busy, again in 1 s"))
    shown.tell(Event("note", detail="a stale lock was taken over"))
    assert sink.getvalue().splitlines() == [
        "  … volume.scratch   volume.delete is tried again: busy, again in 1 s",
        "  note: a stale lock was taken over",
    ]


def test_a_closed_terminal_does_not_hurt(plans, clock) -> None:
    class Hung:
        def write(self, _text) -> Never:
            raise OSError(5, "Input/output error")

        def flush(self) -> None:
            return None

    shown = progress.Progress(plans.example(), Hung(), terminal=True, clock=clock)
    with shown:
        _run(plans, shown, clock)


def test_the_ticker_ends_with_the_context(plans) -> None:
    import threading

    with progress.Progress(plans.example(), io.StringIO(), terminal=True):
        assert "progress" in {thread.name for thread in threading.enumerate()}
    assert "progress" not in {thread.name for thread in threading.enumerate()}


def test_what_is_taken_back_is_said_once_for_each_change_and_counted_apart(plans, clock) -> None:
    plan = plans.plan(plans.create("vm.a"))
    board = progress.Board(plan)
    lines = []
    for step in plan.steps:
        lines += board.take(_event(step, "apply_start"), 0.0) + board.take(_event(step, "apply_complete"), 0.0)
    for left, step in enumerate(reversed(plan.steps)):
        board.take(_event(step, "apply_start", back=True), 5.0)
        lines += board.take(_event(step, "apply_complete", data={"left": 3 - left}, back=True), 6.0)
    assert [line.split(maxsplit=2) for line in lines] == [["+", "vm.a", "create done in 0 s"], ["<", "vm.a", "create taken back in 1 s"]]
    assert board.total(0).startswith("4 of 4 steps")
    assert board.total(0).endswith("4 taken back")


def test_what_cannot_be_taken_back_is_said_so(plans) -> None:
    plan = plans.plan(plans.create("vm.a"))
    board = progress.Board(plan)
    board.take(_event(plan.steps[0], "apply_start", back=True), 0.0)
    assert board.heartbeat(2, 2).endswith("running: vm.a taking back disk.create for 2 s")
    assert "is taken back" in board.block(2, 2, 80)[0]
    (line,) = board.take(_event(plan.steps[0], "apply_errored", detail="in use", back=True), 3.0)
    assert line.split(maxsplit=2)[2] == "disk.create could not be taken back: in use"
