import io
import json
from typing import Any, Never

from herocloud.model.outcomes import Event
from herocloud.views import events, results, writer


def _stream(plans, result, *told: Event) -> list[dict[str, Any]]:
    sink = io.StringIO()
    stream = events.Stream(writer.Outlet(sink), clock=lambda: 1_763_719_200.25)
    plan = plans.example()._replace(diagnostics=(plans.warning(),))
    stream.version()
    stream.plan(plan)
    for event in told:
        stream.tell(event)
    stream.summarise(plan, result)
    return [json.loads(line) for line in sink.getvalue().splitlines()]


STEP = {"address": "vm.db", "step": "vm.db/vm.resize", "kind": "vm.resize"}
ALL = (
    Event("apply_start", **STEP),
    Event("apply_progress", **STEP, seconds=2.0, detail="half way", data={"share": 0.5}),
    Event("retry", **STEP, seconds=3.0, detail="busy, again in 1 s"),
    Event("apply_complete", **STEP, seconds=4.1234),
    Event("apply_errored", **STEP, seconds=4.0, detail="kernel panicked"),
    Event("apply_skipped", **STEP, detail="because vm.cache/vm.boot failed", data={"because": "vm.cache/vm.boot"}),
    Event("apply_skipped", **STEP, detail="because the apply stopped at the first failure", data={"because": None, "stopped_by": "x/y"}),
    Event("apply_start", **STEP, back=True),
    Event("apply_complete", **STEP, seconds=1.0, data={"left": 0}, back=True),
    Event("apply_errored", **STEP, seconds=1.0, detail="in use", back=True),
    Event("note", detail="a stale lock was taken over"),
    Event("closing", detail="apply-11 of stack shop is being closed: nothing more of it is made", apply="apply-11"),
    Event("apply_complete", **STEP, seconds=1.0, data={"left": 0}, back=True, apply="apply-11"),
    Event("closed", detail="apply-11 of stack shop is closed", seconds=1.5, apply="apply-11"),
    Event("apply_start", **STEP, apply="apply-12"),
)


def test_every_kind_of_line_reads_as_intended(plans, snapshot) -> None:
    assert _stream(plans, plans.partly(plans.example()), *ALL) == snapshot


def test_every_line_is_valid_by_the_published_schema(plans, check) -> None:
    for line in _stream(plans, plans.partly(plans.example()), *ALL):
        check("events", line)


def test_the_first_line_names_the_format_and_lines_are_numbered(plans) -> None:
    lines = _stream(plans, plans.done(plans.example()))
    assert lines[0]["type"] == "version"
    assert lines[0]["format"] == "1.0"
    assert [line["seq"] for line in lines] == list(range(len(lines)))


def test_the_type_stands_first_in_the_raw_line() -> None:
    sink = io.StringIO()
    events.Stream(writer.Outlet(sink)).version()
    assert sink.getvalue().startswith('{"type":"version"')


def test_the_summary_is_written_once_and_from_the_result(plans) -> None:
    lines = _stream(plans, plans.done(plans.example()), Event("summary", detail="executor's own"))
    assert [line["type"] for line in lines].count("summary") == 1
    assert lines[-1]["changes"]["create"] == 1


def test_timestamps_are_utc_with_milliseconds(plans) -> None:
    assert _stream(plans, plans.done(plans.example()))[0]["@timestamp"] == "2025-11-21T10:00:00.250Z"


def test_no_line_holds_a_sensitive_value(plans) -> None:
    sink = io.StringIO()
    events.Stream(writer.Outlet(sink)).plan(plans.plan(plans.secret_update()))
    assert "hunter" not in sink.getvalue()


def test_each_listener_hears_each_event() -> None:
    heard = ([], [])
    tell = events.fan_out(heard[0].append, heard[1].append)
    tell(ALL[0])
    assert heard == ([ALL[0]], [ALL[0]])


def test_a_closed_reader_ends_the_stream_without_an_error(plans) -> None:
    class Closed:
        def write(self, _text) -> Never:
            raise BrokenPipeError

        def flush(self) -> Never:
            raise BrokenPipeError

    outlet = writer.Outlet(Closed())
    stream = events.Stream(outlet)
    stream.version()
    stream.plan(plans.example())
    assert isinstance(outlet.broken, BrokenPipeError)


def test_a_closed_python_stream_ends_the_stream_without_an_error() -> None:
    sink = io.StringIO()
    sink.close()
    outlet = writer.Outlet(sink)
    events.Stream(outlet).tell(ALL[0])
    assert isinstance(outlet.broken, ValueError)


def test_a_step_that_is_taken_back_reads_differently_from_one_that_is_done(plans) -> None:
    made, undone = _stream(plans, plans.done(plans.example()), Event("apply_complete", **STEP), Event("apply_complete", **STEP, back=True))[
        -3:-1
    ]
    assert (made["direction"], made["@message"]) == ("forward", "vm.db: vm.resize done after 0.0 s")
    assert (undone["direction"], undone["@message"]) == ("back", "vm.db: vm.resize taken back after 0.0 s")


def test_the_summary_holds_the_outputs_that_the_state_holds(plans) -> None:
    plan = plans.example()._replace(outputs={"n": 8}, outputs_before={"n": 5})
    done = plans.done(plan)
    told = [results.document(plan, result)["outputs"] for result in (done, plans.partly(plan), done._replace(rolled_back=True))]
    assert told == [{"n": 8}, {"n": 5}, {"n": 5}]


def test_the_schema_knows_every_word_for_what_became_of_a_change(schemas) -> None:
    from herocloud.views import fates

    text = json.dumps(schemas["events"])
    words = [fates.DONE, fates.FAILED, fates.BEGUN, fates.NOT_STARTED, fates.PREPARED, fates.TAKEN_BACK, fates.NOT_TAKEN_BACK]
    assert [word for word in words if f'"{word}"' not in text] == []
