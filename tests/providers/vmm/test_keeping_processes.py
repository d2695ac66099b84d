"""A process is started again when its VM asks for it, as it is by then, and never when it was ended on purpose."""

import signal
from pathlib import Path

import pytest

from herocloud.providers.vmm import identity, launch


def _again(stand, first):
    known = identity.running(stand.data, stand.sid)
    return known if known is not None and known.pid != first.pid else None


@pytest.mark.parametrize(
    ("restart", "code", "again"), [("always", 0, True), ("on-failure", 1, True), ("on-failure", 0, False), ("no", 1, False)]
)
def test_how_it_ended_decides(stand, eventually, restart: str, code: int, again) -> None:
    gate = stand.data / "gate"
    first = stand.start("sh", "-c", f"until [ -e {gate} ]; do sleep .02; done; rm {gate}; exit {code}", restart=restart)
    launch.keep(stand.record, kept=True)
    gate.touch()
    assert identity.wait_for_death(first, 10)
    if again:
        assert eventually(lambda: _again(stand, first))
    else:
        assert eventually(lambda: not identity.is_held(stand.record))
        assert _again(stand, first) is None
    assert stand.beside("ended").read_text() == f"{code}\n"


def test_it_comes_back_as_it_was_told_to_be_meanwhile(stand, eventually) -> None:
    first = stand.start("sleep", "60", restart="always")
    launch.keep(stand.record, kept=True)
    changed = stand.order("sleep", "61", restart="always")
    launch.prepare(changed)
    identity.send(first, signal.SIGKILL)
    second = eventually(lambda: _again(stand, first))
    assert second.digest != first.digest
    assert eventually(lambda: Path(f"/proc/{second.pid}/cmdline").read_bytes() == b"sleep\x0061\x00")


def test_until_it_is_kept_it_ends_for_good(stand, eventually) -> None:
    first = stand.start("sleep", "60", restart="always")
    assert not launch.is_kept(stand.record)
    identity.send(first, signal.SIGKILL)
    assert eventually(lambda: not identity.is_held(stand.record))


def test_one_that_is_ended_on_purpose_does_not_come_back(stand, eventually) -> None:
    first = stand.start("sleep", "60", restart="always")
    launch.keep(stand.record, kept=True)
    launch.keep(stand.record, kept=False)
    identity.send(first, signal.SIGTERM)
    launch.dismiss(stand.record)
    assert not identity.is_held(stand.record)
    assert _again(stand, first) is None


def test_a_shell_that_pauses_before_the_next_try_can_be_dismissed(stand, eventually) -> None:
    first = stand.start("sleep", "60", restart="always")
    launch.keep(stand.record, kept=True)
    identity.send(first, signal.SIGKILL)
    assert eventually(lambda: stand.beside("ended").exists())
    launch.dismiss(stand.record)
    assert not identity.is_held(stand.record)
