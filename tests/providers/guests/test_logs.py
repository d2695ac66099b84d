"""The log of a guest: its last lines, what comes after them, and nothing that a terminal would obey."""

import itertools
import time
import tracemalloc

import pytest

from herocloud.providers.guests import logs


@pytest.fixture
def log(tmp_path):
    return tmp_path / "serial.log"


def test_the_last_lines_are_those_at_the_end(log) -> None:
    log.write_text("".join(f"line {number}\n" for number in range(50_000)))
    assert logs.last_lines(log, 2) == ["line 49998", "line 49999"]
    assert logs.last_lines(log, 20_000)[0] == "line 30000"
    assert len(logs.last_lines(log, 60_000)) == 50_000


def test_a_last_line_without_an_end_counts(log) -> None:
    log.write_text("one\ntwo\nlogin: ")
    assert logs.last_lines(log, 2) == ["two", "login: "]


def test_what_was_cut_off_is_read_as_well(log) -> None:
    log.with_name("serial.log.1").write_text("old 1\nold 2\n")
    log.write_text("new\n")
    assert logs.last_lines(log, 2) == ["old 2", "new"]
    assert logs.last_lines(log, 1) == ["new"]


def test_a_log_that_is_not_there_is_an_error_and_no_empty_log(log) -> None:
    for count in (0, 10):
        with pytest.raises(FileNotFoundError):
            logs.last_lines(log, count)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"a\r\nb\tc", "a\nb\tc"),
        (b"\x1b]0;window\x07title", "title"),
        (b"\x1b]52;c;ZWNobw==\x1b\\clipboard", "clipboard"),
        (b"\x1bc\x1b[2Jgone\x08\x00", "gone"),
        ("grün \u009b31m".encode() + b"\xff", "grün 31m\ufffd"),
    ],
    ids=["colour", "lines", "a window's title", "the clipboard", "a reset", "not text"],
)
def test_nothing_that_a_terminal_obeys_is_passed_on(said, shown) -> None:
    assert logs.clean(said) == shown


def test_what_is_added_is_followed_also_when_the_log_is_cut(log) -> None:
    log.write_text("before\n")
    following = logs.follow(log, log.stat().st_size)
    with log.open("a") as writer:
        writer.write("after\n")
    assert next(following) == "after\n"
    log.write_text("cut\n")
    assert next(following) == "cut\n"


def test_what_is_long_is_not_torn_apart_in_a_line(log) -> None:
    log.write_text("x\n" + "x" * 70_000 + "\ny\n")
    assert next(logs.follow(log, 0)) == "x\n"
    log.write_text("x" * 70_000 + "\n" + "y\n")
    assert "".join(itertools.islice(logs.follow(log, 0), 2)) == "x" * 70_000 + "\ny\n"


def test_following_ends_with_the_vm(tmp_path) -> None:
    log = tmp_path / "v1" / "serial.log"
    log.parent.mkdir()
    log.write_text("last words\n")
    following = logs.follow(log, 0)
    assert next(following) == "last words\n"
    log.unlink()
    log.parent.rmdir()
    assert list(following) == []


def test_following_ends_when_somebody_wants_it(log) -> None:
    assert list(logs.follow(log, 0, stopped=lambda: True)) == []


def test_a_log_without_a_line_break_is_read_from_its_end_and_in_bounded_memory(log) -> None:
    # The guest of a VM whose hypervisor it broke out of makes its log as long as it likes.
    with log.open("wb") as stream:
        stream.truncate(2**40)
        stream.seek(2**40 - 5)
        stream.write(b"\nlast")
    began = time.process_time()
    assert logs.last_lines(log, 1) == ["last"]
    tracemalloc.start()
    logs.last_lines(log, 5)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100 * 2**20
    assert time.process_time() - began < 20


def test_strings_for_a_terminal_that_never_end_are_looked_at_once() -> None:
    began = time.process_time()
    assert "\x1b" not in logs.clean(b"\x1b]" * 200_000)
    assert "\x1b" not in logs.clean(b"\x1bP" + b"a" * 400_000)
    assert time.process_time() - began < 10
