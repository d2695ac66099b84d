"""What an agent is asked for besides programs, and waiting until there is one."""

import threading

import pytest

from herocloud.providers.guests.agents import Agent
from herocloud.providers.guests.channels import Endpoint, Refusal


def test_an_agent_says_what_it_can(fake, agent) -> None:
    fake.commands.discard("guest-exec")
    assert agent.info().version == "9.9.9"
    assert agent.info().commands == {"guest-exec-status", "guest-info", "guest-ping", "guest-shutdown"}


def test_waiting_ends_when_the_agent_is_there(fake, agent) -> None:
    fake.hears.clear()
    threading.Timer(0.3, fake.hears.set).start()
    assert agent.wait(20)


def test_a_vm_that_is_not_there_yet_is_waited_for(fake, tmp_path) -> None:
    late = tmp_path / "late.sock"
    threading.Timer(0.3, lambda: fake.path.rename(late)).start()
    assert Agent(Endpoint(late), patience=5).wait(20)


def test_waiting_ends_when_the_time_is_over(fake, agent) -> None:
    fake.hears.clear()
    assert agent.wait(0.3) is False


def test_waiting_ends_when_somebody_wants_it(tmp_path) -> None:
    assert Agent(Endpoint(tmp_path / "absent.sock")).wait(60, stopped=lambda: True) is False


def test_a_shutdown_is_asked_for_and_not_waited_for(fake, agent) -> None:
    agent.shutdown()
    assert {"execute": "guest-shutdown", "arguments": {"mode": "powerdown"}} in fake.seen


def test_a_shutdown_that_the_agent_refuses_is_told(fake, agent) -> None:
    fake.commands.discard("guest-shutdown")
    with pytest.raises(Refusal, match="guest-shutdown has not been found"):
        agent.shutdown()
