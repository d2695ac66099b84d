"""A process is started again when its VM asks for it, as it is by then, and never when it was ended on purpose."""

import contextlib
import signal
import time
from pathlib import Path

import pytest

from herocloud.providers.vmm import identity, keeper_shell, launch
from herocloud.providers.vmm.restarter import VmmRestarter
from tests.providers.vmm.test_pairs import Beside


@pytest.fixture(params=["alone", "with a companion"])
def stand(request, stand):
    """With a companion its keeper is not a shell from the start, and keeps it in the same way."""
    if request.param != "alone":
        order, beside = stand.order, Beside(stand).launch
        stand.order = lambda *command, **more: order(*command, **{"beside": beside, **more})
    return stand


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


def test_one_that_ends_in_good_order_by_a_signal_has_failed_and_what_it_said_before_counts_once(stand, eventually) -> None:
    """As QEMU does; started again, it ends because its guest switches itself off."""
    gate = stand.data / "gate"
    script = f"trap 'echo vmm: terminating on signal 15; exit 0' TERM; until [ -e {gate} ]; do sleep .02; done; exit 0"
    first = stand.start("sh", "-c", script, restart="on-failure", says_signaled=("process.log", "terminating on signal"))
    launch.keep(stand.record, kept=True)
    identity.send(first, signal.SIGTERM)
    second = eventually(lambda: _again(stand, first))
    gate.touch()
    assert identity.wait_for_death(second, 10)
    assert eventually(lambda: stand.beside("left").exists())
    assert _events(stand) == [("ended", "143"), ("restarted", "1"), ("ended", "0"), ("left-off", "0")]


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


def _events(stand) -> list[tuple[str, str]]:
    return [(event.kind, event.detail) for event in VmmRestarter(stand.data, stand.sid).read_events()]


def test_its_acts_are_written_down_with_their_time(stand, eventually) -> None:
    gate = stand.data / "gate"
    command = f"until [ -e {gate} ]; do sleep .02; done; read code <{gate}; rm {gate}; exit $code"
    first = stand.start("sh", "-c", command, restart="on-failure")
    launch.keep(stand.record, kept=True)
    gate.write_text("3\n")
    second = eventually(lambda: _again(stand, first))
    (gate.with_name("next")).write_text("0\n")
    gate.with_name("next").rename(gate)
    assert identity.wait_for_death(second, 10)
    assert eventually(lambda: not identity.is_held(stand.record))
    restarter = VmmRestarter(stand.data, stand.sid)
    found = restarter.read_events()
    assert [(event.kind, event.detail) for event in found] == [("ended", "3"), ("restarted", "1"), ("ended", "0"), ("left-off", "0")]
    assert all(abs(event.at - time.time()) < 120 for event in found)
    assert restarter.read_events() == found
    restarter.forget_events()
    assert restarter.read_events() == ()


def test_what_is_ended_on_purpose_is_no_event(stand, eventually) -> None:
    first = stand.start("sleep", "60", restart="always")
    launch.keep(stand.record, kept=True)
    launch.keep(stand.record, kept=False)
    identity.send(first, signal.SIGTERM)
    launch.dismiss(stand.record)
    assert _events(stand) == []


def test_a_process_that_ends_at_once_again_and_again_is_given_up(stand, eventually, monkeypatch) -> None:
    # Without the pauses, which are of whole seconds.
    monkeypatch.setattr(keeper_shell, "SCRIPT", keeper_shell.SCRIPT.replace('sleep "$pause"', ":"))
    stand.start("sh", "-c", "sleep .05; exit 9", restart="on-failure")
    launch.keep(stand.record, kept=True)
    assert eventually(lambda: stand.beside("left").exists())
    assert eventually(lambda: not identity.is_held(stand.record))
    assert stand.beside("left").read_text() == "gave-up\n"
    found = _events(stand)
    assert [detail for kind, detail in found if kind == "restarted"] == [str(number) for number in range(1, 11)]
    assert found[-2:] == [("ended", "9"), ("gave-up", "10")]
    assert not VmmRestarter(stand.data, stand.sid).is_abandoned()


def test_a_shell_that_was_killed_gets_a_successor_that_restarts(stand, eventually) -> None:
    first = stand.start("sleep", "60", restart="on-failure")
    launch.keep(stand.record, kept=True)
    restarter = VmmRestarter(stand.data, stand.sid)
    assert not restarter.replace_if_dead()
    keeper = identity.read(stand.beside("keeper"))
    identity.send(keeper, signal.SIGKILL)
    assert identity.wait_for_death(keeper, 10)
    assert restarter.replace_if_dead()
    assert eventually(lambda: not restarter.replace_if_dead())
    assert identity.is_alive(first)
    identity.send(first, signal.SIGKILL)
    second = eventually(lambda: _again(stand, first))
    assert eventually(lambda: _events(stand)) == [("ended", "unknown"), ("restarted", "1")]
    # The successor is a shell like the first one.
    identity.send(second, signal.SIGKILL)
    assert eventually(lambda: _again(stand, second))


def test_a_successor_goes_when_its_process_is_ended_on_purpose(stand, eventually) -> None:
    first = stand.start("sleep", "60", restart="always")
    launch.keep(stand.record, kept=True)
    identity.send(identity.read(stand.beside("keeper")), signal.SIGKILL)
    restarter = VmmRestarter(stand.data, stand.sid)
    assert eventually(restarter.replace_if_dead)
    assert eventually(lambda: not restarter.replace_if_dead())
    launch.keep(stand.record, kept=False)
    identity.send(first, signal.SIGTERM)
    launch.dismiss(stand.record)
    assert eventually(lambda: not identity.is_held(stand.record))
    assert _events(stand) == []


def test_only_where_process_and_shell_died_somebody_else_has_to_start_it(stand, eventually) -> None:
    first = stand.start("sleep", "60", restart="always")
    restarter = VmmRestarter(stand.data, stand.sid)
    assert not restarter.is_abandoned()
    launch.keep(stand.record, kept=True)
    assert not restarter.is_abandoned()
    identity.send(identity.read(stand.beside("keeper")), signal.SIGKILL)
    identity.send(first, signal.SIGKILL)
    assert eventually(restarter.is_abandoned)
    launch.keep(stand.record, kept=False)
    assert not restarter.is_abandoned()


def shells_of(record: Path) -> set[int]:
    """Return the shells that stand beside a process, whatever is written down."""
    found = set()
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdecimal() and {b"herocloud-keeper", b"herocloud-adopter"} & (
                words := {*(folder / "cmdline").read_bytes().split(b"\0")}
            ):
                found |= {int(folder.name)} if str(record).encode() in words else set()
    return found


@pytest.mark.parametrize("lose", [Path.unlink, lambda path: path.write_text(""), lambda path: path.write_text("nonsense\n" * 4)])
@pytest.mark.parametrize("killed", [False, True], ids=["the first one", "a successor"])
def test_a_shell_whose_record_is_lost_again_and_again_is_found_and_gets_no_other_beside_it(stand, eventually, lose, killed) -> None:
    first = stand.start("sleep", "60", restart="always")
    launch.keep(stand.record, kept=True)
    restarter = VmmRestarter(stand.data, stand.sid)
    if killed:
        identity.send(identity.read(stand.beside("keeper")), signal.SIGKILL)
        assert eventually(restarter.replace_if_dead)
        assert eventually(restarter.stands)
    keeper = identity.read(stand.beside("keeper"))
    for _ in range(3):
        lose(stand.beside("keeper"))
        assert not restarter.stands()
        assert not restarter.replace_if_dead()
        assert restarter.stands()
        assert identity.read(stand.beside("keeper")).pid == keeper.pid
        # What a shell is about to run has its words for an instant.
        assert eventually(lambda: shells_of(stand.record) == {keeper.pid})
    identity.send(first, signal.SIGKILL)
    assert eventually(lambda: _again(stand, first))
