"""Programs run in a guest: what they say, how they end, what they are given, and what becomes of them when the guest is lost."""

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from herocloud.model.errors import Permanent
from herocloud.providers.guests import programs
from herocloud.providers.guests.agents import Agent
from herocloud.providers.guests.channels import Endpoint
from herocloud.providers.guests.programs import Ended, Program


class Ear:
    """Remembers what a program said."""

    def __init__(self) -> None:
        self.out = self.err = b""
        self.said = threading.Event()

    def __call__(self, is_error: bool, piece: bytes) -> None:  # noqa: FBT001  (as it is called)
        if is_error:
            self.err += piece
        else:
            self.out += piece
        self.said.set()


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture(params=["at the end", "while it runs"])
def way(request, fake) -> str:
    """Run each test with an agent that hands out output at the end, and with one that reads files."""
    if request.param == "while it runs":
        fake.read_files()
    return str(request.param)


def test_both_outputs_and_the_code_come_back(agent, ear, way) -> None:
    assert programs.run(agent, Program(["sh", "-c", "echo out; echo err >&2; exit 7"]), ear) == Ended(7)
    assert (ear.out, ear.err) == (b"out\n", b"err\n")


def test_arguments_arrive_as_they_are(agent, ear, way) -> None:
    programs.run(agent, Program(["printf", "%s|", "a b", "$HOME", "q\"'\\", "ü", ""]), ear)
    assert ear.out.decode() == "a b|$HOME|q\"'\\|ü||"


def test_input_and_environment_arrive(agent, ear, way) -> None:
    program = Program(["sh", "-c", 'cat; printf %s "$NAME"'], stdin=b"\x00\xffbinary", environment={"NAME": "it's me"})
    assert programs.run(agent, program, ear).code == 0
    assert ear.out == b"\x00\xffbinaryit's me"


def test_much_output_comes_whole(agent, ear, way) -> None:
    assert programs.run(agent, Program(["sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x"]), ear).code == 0
    assert ear.out == b"x" * 1_000_000


def test_a_program_that_a_signal_ends_has_the_code_that_a_shell_gives_it(agent, ear, way) -> None:
    assert programs.run(agent, Program(["sh", "-c", "kill -9 $$"]), ear).code == 137


def test_a_program_that_is_not_there_ends_with_127(agent, ear, way) -> None:
    assert programs.run(agent, Program(["no-such-program"]), ear).code == 127
    assert b"no-such-program" in ear.err


def test_a_program_that_takes_its_time_lets_others_have_a_turn(fake, agent, ear, way, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(programs, "_HELD", 0.05)
    go = tmp_path / "go"
    script = f"until [ -e {go} ]; do :; done; echo done"
    ended: list[Ended] = []
    runner = threading.Thread(target=lambda: ended.append(programs.run(agent, Program(["sh", "-c", script]), ear)))
    runner.start()
    Agent(Endpoint(fake.path), patience=20).ping()
    go.touch()
    runner.join(timeout=30)
    assert ended == [Ended(0)]
    assert ear.out == b"done\n"


def test_what_is_said_is_heard_while_the_program_runs(fake, agent, ear, tmp_path) -> None:
    fake.read_files()
    go = tmp_path / "go"
    script = f"echo first; until [ -e {go} ]; do :; done; echo second"
    runner = threading.Thread(target=lambda: programs.run(agent, Program(["sh", "-c", script]), ear))
    runner.start()
    assert ear.said.wait(timeout=20)
    assert ear.out == b"first\n"
    go.touch()
    runner.join(timeout=30)
    assert ear.out == b"first\nsecond\n"


def test_the_files_of_a_program_are_removed_from_the_guest(fake, agent, ear, tmp_path, monkeypatch) -> None:
    fake.read_files()
    seen = _folder_of(fake, agent, ear)
    assert seen.name
    deadline = threading.Event()
    for _ in range(200):
        if not seen.exists():
            break
        deadline.wait(0.05)
    assert not seen.exists()


def _folder_of(fake, agent, ear) -> Path:
    programs.run(agent, Program(["true"]), ear)
    return Path(next(one["arguments"]["path"] for one in fake.seen if one["execute"] == "guest-file-open")).parent


def test_a_guest_that_reboots_meanwhile_ends_the_wait(fake, agent, ear, way, monkeypatch) -> None:
    monkeypatch.setattr(programs, "_HELD", 0.0)
    stopped = iter([False])

    def reboot() -> bool:
        if next(stopped, True):
            fake.forget()
        return False

    with pytest.raises(Permanent, match="knows nothing of the program any more"):
        programs.run(agent, Program(["sh", "-c", "while :; do :; done"]), ear, stopped=reboot)


def test_a_guest_that_goes_off_meanwhile_ends_the_wait(fake, agent, ear, monkeypatch) -> None:
    monkeypatch.setattr(programs, "_HELD", 0.0)

    def power_off() -> bool:
        fake.close()
        return False

    with pytest.raises(Permanent, match="the guest was lost while `sh` ran in it"):
        programs.run(agent, Program(["sh", "-c", "while :; do :; done"]), ear, stopped=power_off)


def test_a_program_that_does_not_end_is_left_after_its_time(agent, ear, way) -> None:
    with pytest.raises(Permanent, match="has not ended in time; it goes on in the guest"):
        programs.run(agent, Program(["sh", "-c", "while :; do :; done"]), ear, timeout=0.2)


def test_an_agent_that_runs_no_programs_says_so(fake, agent, ear) -> None:
    fake.commands.discard("guest-exec")
    with pytest.raises(Permanent, match="does not run programs"):
        programs.run(agent, Program(["true"]), ear)


def test_input_that_no_agent_holds_is_refused_before_anything_runs(fake, agent, ear) -> None:
    with pytest.raises(Permanent, match="takes 4194304 at most"):
        programs.run(agent, Program(["cat"], stdin=b"x" * (programs.MOST_INPUT + 1)), ear)
    assert fake.seen == []


@pytest.mark.skipif(shutil.which("qemu-ga") is None, reason="needs qemu-ga (package qemu-guest-agent)")
def test_the_real_agent_of_qemu_answers_alike(tmp_path, ear) -> None:
    path = tmp_path / "real.sock"
    command = ["qemu-ga", "-m", "unix-listen", "-p", str(path), "-t", str(tmp_path), "-f", str(tmp_path / "pid")]
    real = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        agent = Agent(Endpoint(path), patience=5)
        assert agent.wait(20)
        assert "guest-exec" in agent.info().commands
        assert programs.run(agent, Program(["sh", "-c", "cat; echo err >&2; exit 7"], stdin=b"\x00in"), ear) == Ended(7)
        assert (ear.out, ear.err) == (b"\x00in", b"err\n")
        assert programs.run(agent, Program(["printenv", "A"], environment={"A": "b", "PATH": os.environ["PATH"]}), ear).code == 0
        assert programs.run(agent, Program(["no-such-program"], streaming=False), ear).code == 127
    finally:
        real.kill()
        real.wait(timeout=10)
