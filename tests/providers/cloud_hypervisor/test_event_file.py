"""The event file is read piece by piece, as it grows."""

import json
import os
from pathlib import Path

from herocloud.providers.cloud_hypervisor import attendant, event_file, readings
from herocloud.providers.cloud_hypervisor.event_file import Event, EventFile


def _text(source: str, name: str, **properties: str) -> str:
    body = {"timestamp": {"secs": 1, "nanos": 500_000_000}, "source": source, "event": name, "properties": properties or None}
    return json.dumps(body, indent=2) + "\n\n"


def test_events_cut_at_any_byte_are_read_whole(tmp_path: Path) -> None:
    whole = _text("vm", "booting") + _text("vm", "device-removed", id="d}1", bdf="0000:00:04.0") + _text("vmm", "shutdown")
    for cut in range(len(whole)):
        path = tmp_path / "events"
        path.write_text(whole[:cut])
        reader = EventFile(path)
        first = reader.read()
        path.write_text(whole)
        assert [event.key for event in first + reader.read()] == ["vm/booting", "vm/device-removed", "vmm/shutdown"], cut


def test_properties_and_time_are_kept() -> None:
    events, rest = event_file.parse(_text("vm", "device-removed", id="data", bdf="0000:00:04.0"))
    assert events == [Event(1.5, "vm", "device-removed", {"id": "data", "bdf": "0000:00:04.0"})]
    assert rest == ""


def test_a_file_that_was_begun_again_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_text(_text("vm", "booting") * 3)
    reader = EventFile(path)
    assert len(reader.read()) == 3
    path.write_text(_text("vmm", "starting"))
    assert [event.key for event in reader.read()] == ["vmm/starting"]


def test_an_event_that_was_cut_off_does_not_hide_the_next() -> None:
    events, rest = event_file.parse(_text("vm", "booting")[:40] + "\n" + _text("vm", "booted"))
    assert [event.key for event in events] == ["vm/booted"]
    assert rest == ""


def test_what_is_no_event_is_skipped() -> None:
    events, _ = event_file.parse('{"a": 1}\n\n' + _text("vm", "booted"))
    assert [event.key for event in events] == ["vm/booted"]


def test_a_missing_file_has_no_events(tmp_path: Path) -> None:
    assert EventFile(tmp_path / "none").read() == []


def test_a_first_look_begins_at_what_is_sure_to_be_there(tmp_path: Path) -> None:
    """What is older may have been taken away in the middle of an event, and its place be empty."""
    path = tmp_path / "events"
    path.write_text(_text("virtio-device", "activated", id="net") * 20_000 + _text("guest", "panic"))
    attendant.bound(str(path))
    size, events = path.stat().st_size, EventFile(path).read()
    assert events[-1].key == "guest/panic"
    assert {event.key for event in events[:-1]} == {"virtio-device/activated"}
    assert size > 2 * event_file.KEPT, "the place of what was taken away stays"
    assert len(events) > event_file.KEPT // 200
    assert readings.has_panicked(path)


def test_the_attendant_leaves_what_a_reader_begins_at() -> None:
    assert attendant.KEPT == event_file.KEPT


def test_a_pipe_in_its_place_is_no_event_and_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "events"
    os.mkfifo(path)
    assert EventFile(path).read() == []
