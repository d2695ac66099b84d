"""Speaking to QEMU: answers, refusals, silence, and many at once, each within its time."""

import contextlib
import json
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from herocloud.providers.qemu import qmp
from herocloud.providers.qemu.qmp import Lost, Question, Refusal, Talk


@pytest.fixture
def start(qemu, tmp_path, eventually):
    """Start machines without anything in them."""
    processes = []

    def make(name: str) -> Path:
        path = tmp_path / name
        words = [qemu, "-nodefaults", "-display", "none", "-machine", "none", "-S"]
        processes.append(
            subprocess.Popen([*words, "-chardev", f"socket,id=c,path={path},server=on,wait=off", "-mon", "chardev=c,mode=control"])
        )
        eventually(lambda: _listens(path))
        return path

    yield make
    for process in processes:
        process.kill()
        process.wait()


def _listens(path: Path) -> bool:
    """Tell whether somebody takes calls there; a socket is in its folder a moment before that."""
    with socket.socket(socket.AF_UNIX) as caller, contextlib.suppress(OSError):
        caller.connect(str(path))
        return True
    return False


@pytest.fixture
def silent(tmp_path):
    """Listen like a machine and never say a word."""
    with socket.socket(socket.AF_UNIX) as server:
        path = tmp_path / "silent"
        server.bind(str(path))
        server.listen()
        yield path


_GREETING = b'{"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": ""}, "capabilities": []}}\n'


@pytest.fixture
def talkative(tmp_path):
    """Return a function: a machine that tells of an event before its first answer, in the first so many calls."""
    path, calls = tmp_path / "talkative", []

    def answer(server: socket.socket, times: int) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = server.accept()
                calls.append(caller)
                with caller, contextlib.suppress(OSError):
                    caller.sendall(_GREETING)
                    caller.recv(4096)
                    if len(calls) <= times:
                        caller.sendall(b'{"event": "ACPI_DEVICE_OST", "data": {}, "timestamp": {"seconds": 1, "microseconds": 1}}\n')
                    caller.sendall(b'{"return": {}}\n')
                    while asked := caller.recv(4096):
                        answered = {"return": {"status": "running"}, "id": json.loads(asked)["id"]}
                        caller.sendall(json.dumps(answered).encode() + b"\n")

    with contextlib.ExitStack() as stack:

        def make(times: int) -> Path:
            server = stack.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(str(path))
            server.listen()
            worker = threading.Thread(target=answer, args=(server, times), daemon=True)
            worker.start()
            stack.callback(worker.join, 10)
            stack.callback(server.shutdown, socket.SHUT_RDWR)
            return path

        yield make, calls


def test_a_machine_that_tells_of_something_else_first_is_called_again(talkative) -> None:
    make, calls = talkative
    path = make(2)
    with Talk(path) as talk:
        assert talk.ask("query-status")["status"] == "running"
    assert len(calls) == 3
    assert qmp.ask_many([path], [Question("query-status")]) == {path: [{"status": "running"}]}


def test_a_machine_that_talks_of_nothing_else_is_lost(talkative) -> None:
    make, calls = talkative
    path = make(99)
    with pytest.raises(Lost, match="Negotiation failed"):
        Talk(path)
    assert len(calls) == 4


def test_a_question_is_answered(start) -> None:
    with Talk(start("a")) as talk:
        assert talk.ask("query-status")["status"] == "prelaunch"
        assert talk.put(Question("qom-list", {"path": "/"}))


def test_names_of_arguments_are_spelt_as_qemu_does(start) -> None:
    with Talk(start("a")) as talk, pytest.raises(Refusal, match=r"QEMU refused `block_resize`: .*no-such"):
        talk.ask("block_resize", node_name="no-such", size=1)


def test_a_conversation_goes_on_after_a_refusal(start) -> None:
    with Talk(start("a")) as talk:
        with pytest.raises(Refusal):
            talk.ask("no-such-command")
        assert talk.ask("query-status")


def test_two_conversations_follow_each_other(start) -> None:
    path = start("a")
    for _ in range(2):
        with Talk(path) as talk:
            assert talk.ask("query-version")


def test_nobody_there_is_lost(tmp_path) -> None:
    with pytest.raises(Lost):
        Talk(tmp_path / "nothing")
    (tmp_path / "file").touch()
    with pytest.raises(Lost):
        Talk(tmp_path / "file")


def test_a_machine_that_says_nothing_does_not_hang_us(silent) -> None:
    began = time.monotonic()
    with pytest.raises(Lost, match="does not answer"):
        Talk(silent, patience=0.2)
    assert time.monotonic() - began < 20


def test_a_machine_that_ends_in_the_middle_is_lost(start) -> None:
    with Talk(start("a")) as talk:
        with contextlib.suppress(Lost):
            talk.ask("quit")
        with pytest.raises(Lost):
            _ask_until_it_is_gone(talk)


def _ask_until_it_is_gone(talk: Talk) -> None:
    for _ in range(100):
        talk.ask("query-status")
        talk.pause(0.01)


def test_words_that_are_no_json_are_lost(tmp_path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        path = tmp_path / "babbling"
        server.bind(str(path))
        server.listen()

        def babble() -> None:
            connection, _ = server.accept()
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=babble)
        thread.start()
        with pytest.raises(Lost):
            Talk(path)
        thread.join()


def test_many_are_asked_at_once_and_one_that_is_silent_costs_only_its_answer(start, silent, tmp_path) -> None:
    paths = [start(str(number)) for number in range(3)]
    questions = (Question("query-status"), Question("no-such-command"))
    answers = qmp.ask_many([*paths, silent, tmp_path / "nothing"], questions, patience=2.0)
    assert [answers[path][0]["status"] for path in paths] == ["prelaunch"] * 3
    assert [answers[path][1] for path in paths] == [None] * 3
    assert answers[silent] is None
    assert answers[tmp_path / "nothing"] is None
