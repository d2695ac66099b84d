"""The collector is back after the last of several pauses, and only where it was on before."""

import gc
import threading
from collections.abc import Iterator

import pytest

from herocloud.kits import collector


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    was_on = gc.isenabled()
    yield
    (gc.enable if was_on else gc.disable)()


@pytest.mark.parametrize("on", [True, False])
def test_it_is_as_before_at_the_end_of_a_pause(on: bool) -> None:  # noqa: FBT001  (a parameter of the test)
    (gc.enable if on else gc.disable)()
    seen: list[bool] = []

    def fail() -> None:
        seen.append(gc.isenabled())
        raise KeyError

    with pytest.raises(KeyError), collector.paused():
        fail()
    assert (seen, gc.isenabled()) == ([False], on)


def test_the_last_of_several_threads_brings_it_back() -> None:
    gc.enable()
    first_began, second_ended = threading.Event(), threading.Event()

    def pause() -> None:
        with collector.paused():
            first_began.set()
            assert second_ended.wait(60.0)

    first = threading.Thread(target=pause)
    first.start()
    assert first_began.wait(60.0)
    with collector.paused():
        pass
    assert not gc.isenabled()
    second_ended.set()
    first.join()
    assert gc.isenabled()
