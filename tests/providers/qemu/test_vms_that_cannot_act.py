"""A VM whose process is stopped, does not answer, has lost its keeper, or was paused for want of room is seen as that, and helped."""

import signal

import pytest

from herocloud.model import powers
from herocloud.providers.qemu import command_inputs, observing, qmp, queries
from herocloud.providers.seam import Found
from herocloud.providers.vmm import identity, responsiveness


@pytest.fixture
def kept(bench, machine):
    """Return a bench with a VM that runs and is kept."""
    body = machine(restart="always")
    bench.do("vm.create", None, body)
    bench.power("vm.boot", "stopped", "running")
    assert bench.see() == {"machine": body, "power": "running"}
    return bench


def test_a_process_that_a_signal_has_stopped_is_unresponsive_and_goes_on_by_one_step(kept) -> None:
    process = kept.process
    identity.send(process, signal.SIGSTOP)
    kept.wait(lambda: responsiveness.is_halted(process))
    assert kept.see()["power"] == powers.HALTED
    step = ("vm.resume", powers.HALTED, "running")
    assert kept.probe(*step, part="power").found is Found.NOT_STARTED
    kept.power(*step)
    assert kept.probe(*step, part="power").found is Found.DONE
    assert (kept.see()["power"], kept.process) == ("running", process)


def test_a_process_that_a_signal_has_stopped_is_ended_when_it_is_to_stop(kept) -> None:
    identity.send(kept.process, signal.SIGSTOP)
    kept.power("vm.stop", "running", "stopped")
    assert kept.process is None


def test_a_vm_whose_keeper_died_gets_another_one_by_one_step(kept, machine) -> None:
    record = identity.record_path(kept.data, "v1").with_name("process.keeper")
    keeper = identity.read(record)
    identity.send(keeper, signal.SIGKILL)
    assert identity.wait_for_death(keeper, 10)
    wanted = machine(restart="always")
    seen = kept.see()
    assert seen == {"machine": {**wanted, "keeper": "dead"}, "power": "running"}
    kept.do("vm.update", seen["machine"], wanted)
    assert kept.see() == {"machine": wanted, "power": "running"}
    assert identity.is_alive(identity.read(record))
    assert kept.probe("vm.update", seen["machine"], wanted).found is Found.DONE


def test_a_vm_whose_keeper_is_stopped_by_a_signal_has_nobody_either(kept, machine) -> None:
    keeper = identity.read(identity.record_path(kept.data, "v1").with_name("process.keeper"))
    identity.send(keeper, signal.SIGSTOP)
    kept.wait(lambda: responsiveness.is_halted(keeper))
    seen = kept.see()["machine"]
    assert seen["keeper"] == powers.KEEPER_HALTED
    kept.do("vm.update", seen, machine(restart="always"))
    kept.wait(lambda: not responsiveness.is_halted(keeper))
    assert "keeper" not in kept.see()["machine"]


def test_a_vm_that_nobody_is_to_start_again_needs_no_keeper(bench, machine) -> None:
    bench.do("vm.create", None, machine())
    bench.power("vm.boot", "stopped", "running")
    identity.send(identity.read(identity.record_path(bench.data, "v1").with_name("process.keeper")), signal.SIGKILL)
    assert bench.see()["machine"] == machine()


def test_a_vm_that_is_to_be_started_again_from_now_on_is(bench, machine, eventually) -> None:
    bench.do("vm.create", None, machine())
    bench.power("vm.boot", "stopped", "running")
    bench.do("vm.update", machine(), machine(restart="always"))
    first = bench.process
    assert bench.see()["machine"] == machine(restart="always")
    identity.send(first, signal.SIGKILL)
    assert eventually(lambda: bench.process not in (None, first))


def test_a_log_that_nothing_keeps_small_shows_and_has_its_shell_again(bench, machine) -> None:
    bench.do("vm.create", None, machine())
    bench.power("vm.boot", "stopped", "running")
    record = identity.record_path(bench.data, "v1").with_name("process.bounded-by")
    shell = identity.read(record)
    identity.send(shell, signal.SIGKILL)
    assert identity.wait_for_death(shell, 10)
    seen = bench.see()["machine"]
    assert seen == {**machine(), powers.LOG: powers.LOG_UNBOUNDED}
    bench.do("vm.update", seen, machine())
    assert bench.see()["machine"] == machine()
    shell = identity.read(record)
    assert identity.is_alive(shell)
    bench.power("vm.stop", "running", "stopped")
    assert identity.wait_for_death(shell, 10)


def test_a_process_that_does_not_answer_is_asked_again_and_then_unresponsive(kept, monkeypatch) -> None:
    asked: list[float] = []

    def nobody_answers(sockets, _questions, *, patience=3.0):
        asked.append(patience)
        return dict.fromkeys(sockets)

    monkeypatch.setattr(qmp, "ask_many", nobody_answers)
    # One that was started a moment ago is not judged.
    assert kept.see()["power"] == "running"
    monkeypatch.setattr(responsiveness, "is_starting", lambda _process: False)
    asked.clear()
    assert kept.see()["power"] == powers.UNRESPONSIVE
    assert asked == [3.0, responsiveness.PATIENCE]


@pytest.mark.parametrize("name", ["control", "looking"])
def test_a_process_whose_socket_was_removed_is_unresponsive_from_its_first_second_on(kept, name: str) -> None:
    process = kept.process
    getattr(command_inputs.sockets_of(kept.data, "v1"), name).unlink()
    assert responsiveness.is_starting(process)
    assert kept.see()["power"] == powers.UNRESPONSIVE
    kept.power("vm.stop", powers.UNRESPONSIVE, "stopped")
    kept.power("vm.boot", "stopped", "running")
    assert kept.see()["power"] == "running"
    assert kept.process != process


@pytest.mark.parametrize(("status", "power"), [("nospace", powers.DISK_FULL), ("failed", powers.DISK_ERROR), ("ok", powers.DISK_FULL)])
def test_a_guest_that_was_paused_for_its_disk_says_so(status, power) -> None:
    blocks = [{"qdev": "/machine/peripheral/root/virtio-backend", "io-status": status, "inserted": {}}]
    seen = queries.read([{"status": "io-error"}, [], blocks, [], 0, None])
    assert seen is not None
    assert seen.power == power


def test_a_look_at_vms_that_answer_asks_nobody_twice(kept, monkeypatch) -> None:
    monkeypatch.setattr(observing, "_ask_again", lambda _folder, silent: {} if not silent else pytest.fail("asked again"))
    assert kept.see()["power"] == "running"
