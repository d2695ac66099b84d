"""What is said while an image is on its way: one line that changes on a terminal, a line now and then elsewhere."""

import io
from pathlib import Path

import pytest

from herocloud.cli.command import Call
from herocloud.cli.image_progress import Teller
from herocloud.cli.terminal import Screen


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def talk() -> io.StringIO:
    return io.StringIO()


def make_call(talk: io.StringIO, *, lively: bool = False, quiet: bool = False) -> Call:
    screen = Screen(io.StringIO(), talk, lively=lively, columns=40)
    return Call(screen, Path(), ("stack.yaml",), files_named=False, json=False, quiet=quiet, verbose=0, environment={})


def test_elsewhere_a_new_stage_is_said_at_once_and_the_rest_now_and_then(talk: io.StringIO, clock: Clock) -> None:
    with Teller(make_call(talk), clock) as teller:
        told = teller.about("debian")
        for number in range(25):
            clock.now = float(number)
            told(f"downloading, {number} MiB of 25 MiB", number / 25)
        told("converting from qcow2", None)
    assert talk.getvalue().splitlines() == [
        "image `debian`: downloading, 0 MiB of 25 MiB (0%)",
        "image `debian`: downloading, 10 MiB of 25 MiB (40%)",
        "image `debian`: downloading, 20 MiB of 25 MiB (80%)",
        "image `debian`: converting from qcow2",
    ]


def test_on_a_terminal_one_line_changes_and_is_gone_in_the_end(talk: io.StringIO, clock: Clock) -> None:
    with Teller(make_call(talk, lively=True), clock) as teller:
        told = teller.about("debian")
        told("downloading, 1 MiB of 25 MiB", 0.04)
        clock.now = 0.05
        told("downloading, 2 MiB of 25 MiB", 0.08)
        clock.now = 0.2
        told("downloading, 3 MiB of 25 MiB and a tail that is too long", 0.12)
        teller.say("image `debian` is here")
    assert talk.getvalue() == (
        "\rimage `debian`: downloading, 1 MiB of 2\x1b[K\rimage `debian`: downloading, 3 MiB of 2\x1b[K\r\x1b[Kimage `debian` is here\n"
    )


def test_an_error_finds_a_line_of_its_own(talk: io.StringIO, clock: Clock) -> None:
    def fail() -> None:
        with Teller(make_call(talk, lively=True), clock) as teller:
            teller.about("")("unpacking", None)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert talk.getvalue() == "\runpacking\x1b[K\r\x1b[K"


def test_quiet_means_quiet(talk: io.StringIO, clock: Clock) -> None:
    with Teller(make_call(talk, quiet=True), clock) as teller:
        teller.about("debian")("downloading", 0.5)
        teller.say("image `debian` is here")
    assert talk.getvalue() == ""
