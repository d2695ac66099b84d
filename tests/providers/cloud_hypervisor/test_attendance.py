"""What the process beside a VMM does: keeps the serial log across starts, serves the console, boots a VM whose VMM came back."""

import _socket
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from herocloud.providers.cloud_hypervisor import DECLARATION, attendant, signs_of_life, vmm_process
from herocloud.providers.cloud_hypervisor.client import Lost
from herocloud.providers.vmm import folders, identity
from herocloud.providers.vmm.restarter import VmmRestarter
from tests.providers.cloud_hypervisor.conftest import MIB, until


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Any]:
    """Play a VMM: its lock, its serial port, and an attendant beside it."""
    import fcntl

    class Stage:
        def __init__(self) -> None:
            self.folder, self.sockets = tmp_path / "vmm", tmp_path / "s"
            self.folder.mkdir()
            self.sockets.mkdir()
            self.lock = (self.folder / "process.lock").open("w")
            fcntl.flock(self.lock, fcntl.LOCK_EX)
            words = [sys.executable, "-I", "-S", attendant.__file__, str(self.folder), str(self.sockets)]
            self.process = subprocess.Popen(words)

        def port(self) -> socket.socket:
            """Open a serial port and wait for the attendant; returns the guest's side."""
            path = self.sockets / "tty.sock"
            path.unlink(missing_ok=True)
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
                listener.bind(str(path))
                listener.listen()
                listener.settimeout(20)
                wire, _ = listener.accept()
            wire.settimeout(20)
            return wire

        def log(self) -> bytes:
            path = self.folder / "serial.log"
            return path.read_bytes() if path.exists() else b""

        def until(self, condition: Any) -> None:
            for _ in range(2000):
                if condition():
                    return
                threading.Event().wait(0.01)
            raise AssertionError("it did not come true")

        def person(self) -> socket.socket:
            wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            wire.settimeout(20)
            self.until((self.sockets / "serial.sock").exists)
            wire.connect(str(self.sockets / "serial.sock"))
            return wire

    made = Stage()
    yield made
    made.process.kill()
    made.process.wait()
    made.lock.close()


def test_the_log_goes_on_over_the_starts_of_the_guest(stage: Any) -> None:
    for words in (b"first start\n", b"second start\n"):
        with stage.port() as guest:
            guest.sendall(words)
            stage.until(lambda words=words: words in stage.log())
    assert stage.log() == b"first start\nsecond start\n"


def test_people_hear_the_guest_and_type_into_it_together(stage: Any) -> None:
    with stage.port() as guest, stage.person() as one, stage.person() as other:
        guest.sendall(b"login: ")
        stage.until(stage.log)
        one.sendall(b"root\n")
        assert guest.recv(100) == b"root\n"
        other.sendall(b"x")
        assert guest.recv(100) == b"x"
        guest.sendall(b"welcome")
        for person in (one, other):
            heard = b""
            while not heard.endswith(b"welcome"):
                heard += person.recv(100)


def test_a_console_whose_socket_was_removed_gets_another_and_who_is_connected_stays(stage: Any) -> None:
    with stage.port() as guest, stage.person() as one:
        one.sendall(b"a")
        assert guest.recv(100) == b"a"
        (stage.sockets / "serial.sock").unlink()
        with stage.person() as other:
            for person, said in ((one, b"b"), (other, b"c")):
                person.sendall(said)
                assert guest.recv(100) == said


def test_the_socket_of_a_console_has_its_name_once_somebody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    console, seen = tmp_path / "serial.sock", []

    class Watched(_socket.socket):
        def listen(self, *words: int) -> None:
            seen.append(console.exists())
            super().listen(*words)

    monkeypatch.setattr(attendant, "_socket", SimpleNamespace(**{**vars(_socket), "socket": Watched}))
    made = attendant.Attendant(str(tmp_path), str(tmp_path))
    made._listener.close()
    made._poll.close()
    os.close(made._log)
    assert seen == [False]
    assert console.is_socket()


def test_somebody_who_does_not_read_holds_nobody_up(stage: Any) -> None:
    with stage.port() as guest, stage.person():
        for _ in range(64):
            guest.sendall(b"x" * 65536)
        stage.until(lambda: (stage.folder / "serial.log.1").exists() or len(stage.log()) == 64 * 65536)


def test_a_long_log_is_put_aside_once(stage: Any) -> None:
    with stage.port() as guest:
        for _ in range(72):
            guest.sendall(b"y" * 65536)
        guest.sendall(b"the end\n")
        stage.until(lambda: stage.log().endswith(b"the end\n"))
    old = (stage.folder / "serial.log.1").stat().st_size
    assert old + len(stage.log()) == 72 * 65536 + len(b"the end\n")


def test_it_ends_when_the_vmm_has_ended_for_good(stage: Any) -> None:
    stage.port().close()
    stage.lock.close()
    assert stage.process.wait(20) == 0


def _wait_until_back(bench: Any, first: Any) -> None:
    for _ in range(3000):
        if bench.process not in (None, first):
            with contextlib.suppress(Lost):
                if (bench.info or {}).get("state") == "Running":
                    return
        threading.Event().wait(0.01)
    raise AssertionError("it did not come back")


def test_a_vmm_that_is_started_again_gets_its_vm(bench: Any) -> None:
    bench.running(restart="always")
    first = bench.process
    identity.send(first, signal.SIGKILL)
    _wait_until_back(bench, first)
    assert bench.see() == {"machine": bench.machine(restart="always"), "power": "running"}
    bench.power("vm.stop", "running", "stopped")
    assert bench.left_over() == []


def test_a_machine_changed_while_it_runs_comes_back_as_it_is(bench: Any) -> None:
    bench.running(restart="always")
    before, first = bench.see()["machine"], bench.process
    bench.do("vm.resize", before, {**before, "vcpus": 2})
    identity.send(first, signal.SIGKILL)
    _wait_until_back(bench, first)
    assert bench.see()["machine"]["vcpus"] == 2


def _attendant(bench: Any, *others: identity.Identity | None) -> identity.Identity:
    """Wait for an attendant that is none of these."""
    for _ in range(2000):
        known = identity.running(bench.data, "v1", "-console")
        if known is not None and known not in others:
            return known
        threading.Event().wait(0.01)
    raise AssertionError("it did not come")


def _says(bench: Any) -> None:
    """Wait until somebody lets people at the console."""
    for _ in range(2000):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
            wire.connect(str(folders.console_socket(bench.data, "v1")))
            return
        threading.Event().wait(0.01)
    raise AssertionError("nobody listens")


def test_the_attendant_starts_with_its_vmm_and_comes_back_beside_it(bench: Any) -> None:
    bench.running(restart="always")
    vmm, first = bench.process, _attendant(bench)
    identity.send(first, signal.SIGKILL)
    second = _attendant(bench, first)
    _says(bench)
    assert bench.process == vmm
    identity.send(vmm, signal.SIGKILL)
    _wait_until_back(bench, vmm)
    assert _attendant(bench) == second
    for process in (bench.process, second):
        identity.send(process, signal.SIGKILL)
    _wait_until_back(bench, bench.process)
    _attendant(bench, second)
    bench.power("vm.stop", "running", "stopped")
    assert bench.left_over() == []


def test_an_attendant_of_an_earlier_version_stays_beside_its_vmm_and_ends_with_it(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """That one was started after its VMM, by a shell and an interpreter of its own."""
    alone = vmm_process._launch_of
    with monkeypatch.context() as earlier:
        earlier.setattr(vmm_process, "_launch_of", lambda *words: alone(*words)._replace(beside=None))
        bench.running(restart="always")
    vmm, first = bench.process, _attendant(bench)
    machine = bench.see()["machine"]
    bench.do("vm.resize", machine, {**machine, "vcpus": 2})
    identity.send(vmm, signal.SIGKILL)
    _wait_until_back(bench, vmm)
    assert _attendant(bench) == first
    identity.send(first, signal.SIGKILL)
    _attendant(bench, first)
    bench.power("vm.stop", "running", "stopped")
    assert bench.left_over() == []
    bench.power("vm.boot", "stopped", "running")
    _says(bench)


def test_a_guest_that_switches_itself_off_ends_everything(bench: Any) -> None:
    if bench.real:
        pytest.skip("needs a guest that switches itself off")
    bench.running(payload={**bench.machine()["payload"], "cmdline": "guest=off"})
    for _ in range(2000):
        if bench.see()["power"] == "stopped" and not [line for line in bench.left_over() if "python" in line]:
            break
        threading.Event().wait(0.01)
    assert bench.see()["power"] == "stopped"
    assert DECLARATION.hypervisor.last_end(bench.data, "v1") == "the guest switched itself off"
    bench.power("vm.boot", "stopped", "running")
    assert DECLARATION.hypervisor.last_end(bench.data, "v1") is None, "it runs"
    assert folders.console_socket(bench.data, "v1").exists()
    assert "the process before this one is gone: the guest switched itself off" in bench.told


def test_a_vmm_that_was_killed_leaves_how_it_ended(bench: Any) -> None:
    bench.running()
    identity.send(bench.process, signal.SIGKILL)
    for _ in range(2000):
        if bench.see()["power"] == "stopped":
            break
        threading.Event().wait(0.01)
    assert DECLARATION.hypervisor.last_end(bench.data, "v1") == "it crashed or was killed"


def test_a_running_vm_tells_what_its_devices_counted_and_another_nothing(bench: Any) -> None:
    bench.root()
    bench.running(root={"direct": False, "rate": None})
    counted = DECLARATION.hypervisor.counters(bench.data, "v1")["root"]
    assert counted["read_bytes"] == 0
    assert "read_latency_min" not in counted, "nothing was read, so there is no shortest time"
    bench.power("vm.stop", "running", "stopped")
    assert DECLARATION.hypervisor.counters(bench.data, "v1") == {}


def test_a_running_vm_tells_what_its_guest_really_gave_back(bench: Any) -> None:
    bench.running(balloon=64 * MIB)
    given = 0 if bench.real else 64 * MIB
    counted = lambda: DECLARATION.hypervisor.counters(bench.data, "v1").get("balloon")  # noqa: E731
    until(lambda: counted() == {"asked_bytes": 64 * MIB, "given_bytes": given}, "its guest gave what it gives")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_from_outside_is_no_guest_that_switched_itself_off(bench: Any, number: signal.Signals) -> None:
    bench.running()
    process = bench.process
    identity.send(process, number)
    assert identity.wait_for_death(process, 20)
    assert DECLARATION.hypervisor.last_end(bench.data, "v1") == "a signal from outside ended it"
    bench.power("vm.boot", "stopped", "running")
    assert "the process before this one is gone: a signal from outside ended it" in bench.told
    bench.power("vm.stop", "running", "stopped")
    assert DECLARATION.hypervisor.last_end(bench.data, "v1") is None, "we stopped it"


def test_a_vmm_that_somebody_else_ended_over_its_api_was_stopped(bench: Any) -> None:
    bench.running()
    process = bench.process
    with vmm_process.open_client(bench.data, "v1") as client:
        client.end()
    assert identity.wait_for_death(process, 20)
    assert DECLARATION.hypervisor.last_end(bench.data, "v1") == "it was stopped over its API"


def test_a_vmm_that_a_signal_ended_is_started_again_on_failure(bench: Any) -> None:
    bench.running(restart="on-failure")
    first = bench.process
    identity.send(first, signal.SIGTERM)
    _wait_until_back(bench, first)
    ended = [event for event in VmmRestarter(bench.data, "v1").read_events() if event.kind == "ended"]
    assert [event.detail for event in ended] == ["143"]
    bench.power("vm.stop", "running", "stopped")
    assert bench.left_over() == []


def test_a_guest_that_switched_itself_off_is_left_off_on_failure(bench: Any) -> None:
    if bench.real:
        pytest.skip("needs a guest that switches itself off")
    bench.running(restart="on-failure", payload={**bench.machine()["payload"], "cmdline": "guest=off"})
    left = identity.record_path(bench.data, "v1").with_name("process.left")
    for _ in range(2000):
        if left.exists():
            break
        threading.Event().wait(0.01)
    events = VmmRestarter(bench.data, "v1").read_events()
    assert [(event.kind, event.detail) for event in events] == [("ended", "0"), ("left-off", "0")]


def test_what_the_program_writes_about_itself_is_kept_small(stage: Any) -> None:
    """By somebody who writes as the program does: from the start on, and not at the end."""
    names = ("events", "vmm.log")
    with contextlib.ExitStack() as opened:
        writers = [opened.enter_context((stage.folder / name).open("w")) for name in names]
        for writer in writers:
            writer.write("{}\n" * 2 * 1024**2)
            writer.flush()
        stage.port().close()
        stage.until(lambda: all((stage.folder / name).stat().st_blocks * 512 <= 2 * attendant.KEPT for name in names))
        for writer in writers:
            writer.write("the end\n")
    for name in names:
        assert (stage.folder / name).read_bytes().endswith(b"{}\n{}\nthe end\n"), "who writes and who reads keep their places"


def test_a_guest_that_panicked_is_crashed_and_is_not_asked_to_shut_down(bench: Any) -> None:
    if bench.real:
        pytest.skip("needs a guest that panics")
    bench.running(payload={**bench.machine()["payload"], "cmdline": "console=ttyS0 guest=panic"})
    for _ in range(2000):
        if bench.see()["power"] == "crashed":
            break
        threading.Event().wait(0.01)
    assert bench.see()["power"] == "crashed"
    signs = signs_of_life.look(bench.data, "v1")
    assert (signs.power, signs.hopeless) == ("crashed", "its kernel panicked")
    bench.power("vm.stop", "crashed", "stopped")
    assert not any(text.startswith("power button") for text in bench.told)
    bench.power("vm.boot", "stopped", "running")
    assert bench.see()["power"] == "running"


def test_a_guest_that_is_waited_for_shows_signs(bench: Any) -> None:
    bench.running()
    signs = signs_of_life.look(bench.data, "v1")
    assert (signs.power, signs.hopeless) == ("running", "")
    bench.power("vm.stop", "running", "stopped")
    assert signs_of_life.look(bench.data, "v1") is None


@pytest.mark.parametrize(("wrote_before", "given_up"), [(False, True), (True, False)])
def test_a_silent_guest_is_given_up_sooner_where_none_of_its_boots_ever_wrote(bench: Any, monkeypatch, wrote_before, given_up) -> None:
    bench.running()
    if wrote_before:
        bench.power("vm.stop", "running", "stopped")
        folders.serial_log(bench.data, "v1").write_text("ready\n")
        bench.power("vm.boot", "stopped", "running")
    else:
        folders.serial_log(bench.data, "v1").write_text("")
    monkeypatch.setattr(signs_of_life.identity, "cpu_seconds", lambda _pid: 300.0)
    monkeypatch.setattr(signs_of_life, "_must_write", lambda _machine: True)
    said = signs_of_life.look(bench.data, "v1")
    assert bool(said.hopeless) == given_up
    assert not given_up or "300 s of CPU time without a byte" in said.hopeless


def test_a_guest_whose_log_was_cut_since_it_booted_has_written(bench: Any, monkeypatch) -> None:
    bench.running()
    bench.power("vm.stop", "running", "stopped")
    log = folders.serial_log(bench.data, "v1")
    log.write_text("what earlier boots wrote\n" * 1000)
    bench.power("vm.boot", "stopped", "running")
    log.write_text("")
    monkeypatch.setattr(signs_of_life.identity, "cpu_seconds", lambda _pid: 3000.0)
    monkeypatch.setattr(signs_of_life, "_must_write", lambda _machine: True)
    signs = signs_of_life.look(bench.data, "v1")
    assert (signs.hopeless, signs.power) == ("", "running")
    assert signs.serial_bytes > 0
