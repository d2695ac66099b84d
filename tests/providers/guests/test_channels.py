"""Conversations with an agent begin cleanly whatever lies in the channel, end in time, and are held one at a time."""

import threading
import time

import pytest

from herocloud.model.errors import Permanent
from herocloud.providers.guests import agent_answers, channels
from herocloud.providers.guests.agents import Agent
from herocloud.providers.guests.channels import Endpoint, Off, Refusal, Silent


@pytest.mark.parametrize(
    "left",
    [
        b'{"return": {"pid"',
        b'{"return": {}}\n{"return": 77}\n',
        b'{"error": {"class": "GenericError", "desc": "JSON parse error"}}\n',
        b"\xff\xfe\x00 no text at all\n\n",
        b'\xff{"return": 5}\n{"ret',
    ],
    ids=["half a line", "answers nobody read", "an error", "noise", "another greeting"],
)
def test_what_others_left_in_the_channel_is_thrown_away(fake, agent, left) -> None:
    fake.greeting = left
    assert agent.info().version == "9.9.9"


def test_a_greeting_that_was_lost_is_said_again(fake, agent) -> None:
    fake.silent_for = 1
    agent.ping()
    assert [one["execute"] for one in fake.seen] == ["guest-sync-delimited", "guest-sync-delimited", "guest-ping"]


def test_answers_to_greetings_that_came_late_are_not_taken_for_the_last_one(fake, agent) -> None:
    fake.hears.clear()
    threading.Timer(1.3, fake.hears.set).start()
    assert agent.info().version == "9.9.9"
    greetings = [one["arguments"]["id"] for one in fake.seen if one["execute"] == "guest-sync-delimited"]
    assert len(greetings) == len(set(greetings)) == 2


def test_a_guest_that_never_answers_is_given_up_in_time(fake) -> None:
    fake.hears.clear()
    began = time.monotonic()
    with pytest.raises(Silent, match="does not answer"):
        Agent(Endpoint(fake.path), patience=0.3).ping()
    assert time.monotonic() - began < 5


def test_a_vm_that_does_not_run_is_told_from_one_that_is_silent(fake, tmp_path) -> None:
    with pytest.raises(Off, match="does not run"):
        Agent(Endpoint(tmp_path / "absent.sock")).ping()
    with pytest.raises(Off, match="does not run"):
        Agent(Endpoint(tmp_path / "no-folder" / "agent.sock")).ping()
    fake.close()
    fake.path.touch()
    with pytest.raises(Off, match="does not run"):
        Agent(Endpoint(fake.path)).ping()


def test_a_vm_that_goes_off_in_the_middle_is_told_so(fake, agent) -> None:
    with agent.talk() as channel:
        fake.commands.add("guest-hang-up")
        fake._hang_up = lambda _arguments: (_ for _ in ()).throw(OSError)
        with pytest.raises(Off, match="went off"):
            channel.ask("guest-hang-up", timeout=5)


def test_a_refusal_carries_its_kind_and_reason(agent) -> None:
    with agent.talk() as channel, pytest.raises(Refusal, match="guest-fly has not been found") as caught:
        channel.ask("guest-fly", timeout=5)
    assert caught.value.kind == "CommandNotFound"


def test_clients_take_turns(fake) -> None:
    inside, most, failures = 0, 0, []
    guard = threading.Lock()

    def visit() -> None:
        nonlocal inside, most
        try:
            with Agent(Endpoint(fake.path), patience=20).talk() as channel:
                with guard:
                    inside += 1
                    most = max(most, inside)
                for _ in range(5):
                    channel.ask("guest-ping", timeout=5)
                with guard:
                    inside -= 1
        except Exception as error:  # noqa: BLE001  (told by the assertion below)
            failures.append(error)

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(timeout=30)
    assert failures == []
    assert (most, fake.visits) == (1, 8)


def test_whoever_waits_in_vain_for_a_turn_is_told_why(fake, agent) -> None:
    with agent.talk(), pytest.raises(Silent, match="another command talks to the agent"):
        Agent(Endpoint(fake.path), patience=0.2).ping()


def test_a_socket_that_serves_several_ports_is_told_which(fake) -> None:
    fake.wants_port = True
    Agent(Endpoint(fake.path, port=1024)).ping()
    assert fake.ports == ["CONNECT 1024"]


def test_a_port_on_which_nobody_listens_yet_is_told_from_a_vm_that_is_off(fake) -> None:
    fake.wants_port, fake.turned_away = True, 1
    with pytest.raises(Silent, match="nothing in the guest listens on vsock port 1024"):
        Agent(Endpoint(fake.path, port=1024)).ping()
    fake.turned_away = 3
    assert Agent(Endpoint(fake.path, port=1024)).wait(20)


def test_an_answer_without_end_is_refused(fake, agent, monkeypatch) -> None:
    monkeypatch.setattr(agent_answers, "LONGEST", 1000)
    fake.read_files()
    fake.commands |= {f"guest-{number}" for number in range(1000)}
    fake.version = "9" * 200_000
    with pytest.raises(Permanent, match="longer than"):
        agent.info()


def test_anything_may_lie_in_the_channel_before_a_conversation(fake, agent, monkeypatch) -> None:
    monkeypatch.setattr(channels, "_LONGEST_LEFTOVER", 1000)
    fake.greeting = b"x" * 200_000 + b"[" * 60_000 + b"\n"
    agent.ping()
