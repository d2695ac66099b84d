"""A VMM is ended from the gentlest way to the surest, each step told, and never another process."""

import signal

import pytest

from herocloud.model.errors import Temporary
from herocloud.providers.vmm import identity, launch, shutdown
from herocloud.providers.vmm.shutdown import Patience, Ways

SHORT = Patience(button=0.3, again=0.1, off=0.3, term=0.3, kill=10.0)
STUBBORN = ("sh", "-c", "trap '' TERM; while :; do sleep .05; done")


def _end(process, press=None, cut=lambda: None, patience=SHORT, stopped=lambda: False):
    told = []
    rung = shutdown.end(process, Ways(press, cut), patience, told=lambda text, _share: told.append(text), stopped=stopped)
    return rung, told


def test_a_guest_that_hears_the_button_is_not_cut_off(stand) -> None:
    process = stand.start("sleep", "60")
    rung, told = _end(process, press=lambda: identity.send(process, signal.SIGKILL), patience=Patience())
    assert (rung, told) == ("power button", ["power button, waiting up to 1 min for the guest"])
    assert not identity.is_alive(process)


def test_the_button_is_pressed_again_for_a_guest_that_was_booting(stand) -> None:
    process = stand.start("sleep", "60")
    pressed = []

    def press() -> None:
        pressed.append(1)
        if len(pressed) == 3:
            identity.send(process, signal.SIGKILL)

    assert _end(process, press, patience=Patience(button=30, again=0.05))[0] == "power button"
    assert len(pressed) == 3


def test_a_deaf_guest_is_cut_off_by_its_hypervisor(stand) -> None:
    process = stand.start("sleep", "60")
    rung, told = _end(process, press=lambda: None, cut=lambda: identity.send(process, signal.SIGKILL))
    assert rung == "forced power-off"
    assert told[1:] == ["the guest did not react to the power button within 0.3 s", "forced power-off"]


def test_whoever_wants_the_power_cut_at_once_asks_no_guest(stand) -> None:
    process = stand.start("sleep", "60")
    pressed = []
    cut = lambda: identity.send(process, signal.SIGKILL)  # noqa: E731
    assert _end(process, lambda: pressed.append(1), cut, SHORT.for_guest(0.0)) == ("forced power-off", ["forced power-off"])
    assert pressed == []


def test_a_guest_has_as_long_as_somebody_asked_for(stand) -> None:
    told = _end(stand.start("sleep", "60"), press=lambda: None, patience=SHORT.for_guest(0.2))[1]
    assert told[0] == "power button, waiting up to 0.2 s for the guest"
    assert SHORT.for_guest(None) is SHORT


def test_a_hypervisor_that_does_not_answer_is_ended_by_signals(stand) -> None:
    assert _end(stand.start("sleep", "60")) == ("SIGTERM", ["forced power-off", "SIGTERM"])


def test_the_last_rung_holds(stand, eventually) -> None:
    process = stand.start(*STUBBORN)
    eventually(lambda: _ignores_term(process.pid))
    assert _end(process) == ("SIGKILL", ["forced power-off", "SIGTERM", "SIGKILL"])
    assert not identity.is_alive(process)


def _ignores_term(pid: int) -> bool:
    with open(f"/proc/{pid}/status") as stream:  # noqa: PTH123
        line = next(line for line in stream if line.startswith("SigIgn"))
    return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_one_that_is_gone_needs_nothing(stand) -> None:
    process = stand.start("sleep", "60")
    identity.send(process, signal.SIGKILL)
    assert identity.wait_for_death(process, 10)
    launch.dismiss(stand.record)
    assert _end(process) == ("already gone", [])


def test_an_interrupted_apply_does_not_cut_the_power(stand) -> None:
    process = stand.start("sleep", "60")
    with pytest.raises(Temporary, match="goes on doing so"):
        _end(process, press=lambda: None, patience=Patience(), stopped=lambda: True)
    assert identity.is_alive(process)
