"""Which VMs a command about guests means, and what is said of those whose guests are not reached."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from herocloud.model.applies import Pending
from herocloud.model.errors import Refused
from herocloud.model.ids import Address, PlanId, Sid, StackName
from herocloud.model.worlds import Record
from herocloud.operations import guests, lookups, unfinished
from herocloud.providers.guests.programs import Program
from herocloud.providers.vmm import folders


def _record(name: str, power: str | None = "running", provider: str = "qemu") -> Record:
    parts = {"power": power} if power else {}
    return Record(StackName("shop"), Address(f"vm.{name}"), "vm", provider, {}, parts, complete=True, sid=Sid(name))


@pytest.fixture
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put all sockets and logs into one folder."""
    monkeypatch.setattr(folders, "agent_socket", lambda _data, sid: tmp_path / f"{sid}.sock")
    monkeypatch.setattr(folders, "serial_log", lambda _data, sid: tmp_path / f"{sid}.log")
    return tmp_path


@pytest.fixture
def answering(sockets: Path) -> Iterator[None]:
    """Let the guest of the VM `one` answer greetings."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(sockets / "one.sock"))
    server.listen()

    def serve() -> None:
        try:
            wire = server.accept()[0]
        except OSError:
            return
        with wire, wire.makefile("rb") as stream:
            number = stream.readline().rpartition(b'"id": ')[2].partition(b"}")[0]
            wire.sendall(b'\xff{"return": ' + number + b"}\n")
            stream.readline()

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(timeout=10)


@pytest.mark.usefixtures("answering")
def test_each_guest_is_told_as_it_answers_and_the_late_ones_too(sockets) -> None:
    told = []
    found = guests.wait(sockets, [_record("one"), _record("two")], 1.0, lambda one: told.append(one.record.address))
    assert {one.record.address: one.seconds is not None for one in found} == {"vm.one": True, "vm.two": False}
    assert told == ["vm.one", "vm.two"]


def test_many_are_waited_for_in_the_time_of_one(sockets) -> None:
    records = [_record(f"v{number}") for number in range(80)]
    found = guests.wait(sockets, records, 0.5, lambda _one: None)
    assert [one.seconds for one in found] == [None] * 80


@pytest.mark.parametrize(
    ("power", "said", "hint"),
    [
        ("stopped", "is stopped", "`herocloud vm start vm.one`"),
        ("paused", "is paused", "`herocloud vm resume vm.one`"),
        (None, "is not made yet", "`herocloud apply` makes it"),
    ],
)
def test_a_vm_that_does_not_run_is_told_with_the_way_out(sockets, power, said, hint) -> None:
    record = _record("one", power)
    for attempt in (
        lambda: guests.wait(sockets, [record], 1.0, lambda _one: None),
        lambda: guests.run_program(sockets, record, Program(["true"]), lambda _error, _piece: None),
        lambda: guests.attach(sockets, record, 0, 1, attached=lambda: None),
    ):
        with pytest.raises(Refused, match=said) as caught:
            attempt()
        assert caught.value.diagnostics[0].hint == hint


def test_a_vm_that_an_apply_left_paused_waits_for_that_apply(sockets, monkeypatch) -> None:
    pending = Pending(4, PlanId("p"), StackName("shop"), "vm snapshot create", "running", 0.0)
    recorded = lookups.read_recorded(sockets)._replace(unfinished=(pending,))
    monkeypatch.setattr(lookups, "read_recorded", lambda _folder: recorded)
    monkeypatch.setattr(unfinished, "list_unfinished", lambda _folder: (pending,))
    monkeypatch.setattr(unfinished, "_addresses", lambda _folder, _pending: {"vm.one"})
    for name, hint in (
        ("one", "`herocloud resume apply-4` finishes what left it so, `herocloud resume apply-4 --rollback` takes it back"),
        ("two", "`herocloud vm resume vm.two`"),
    ):
        with pytest.raises(Refused) as caught:
            guests.run_program(sockets, _record(name, "paused"), Program(["true"]), lambda _error, _piece: None)
        assert caught.value.diagnostics[0].hint == hint


def test_a_vm_whose_process_is_gone_points_to_its_log(sockets) -> None:
    with pytest.raises(Refused, match="nobody is at the agent's socket") as caught:
        guests.run_program(sockets, _record("one"), Program(["true"]), lambda _error, _piece: None)
    assert "`herocloud vm logs vm.one`" in str(caught.value.diagnostics[0].hint)


def test_a_log_that_was_never_written_is_told(sockets) -> None:
    with pytest.raises(Refused, match="has written nothing to its console yet"):
        guests.last_lines(sockets, _record("one"), 10)
    (sockets / "one.log").write_text("boot\nready\n")
    assert guests.last_lines(sockets, _record("one"), 1) == (["ready"], 11)


def test_simulated_vms_have_no_inside(sockets) -> None:
    for what, word in (("logs", "writes no console output"), ("exec", "runs no programs"), ("console", "has no console")):
        with pytest.raises(Refused, match=word):
            guests.require_inside(_record("one", provider="simulator"), what)
