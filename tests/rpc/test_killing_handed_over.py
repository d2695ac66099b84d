"""`kill -9` of the daemon at each moment of an apply that a command has handed over: the command says what really happened."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from herocloud.operations import lookups
from herocloud.rpc.daemon import daemon_process
from herocloud.rpc.wire import unix_socket
from tests.rpc.places import HOST, Place, normal

SECONDS = 60.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

STACK = """\
stack: shop
images: {tiny: {source: "https://example.org/t.qcow2", sha256: "%s", format: qcow2}}
vms: {web: {image: tiny, memory: 1 GiB, count: 2}, db: {image: tiny, memory: 1 GiB}}
outputs: {first: "{{ vm.web[0].sid }}"}
""" % ("0" * 64)

FAILING = "rules:\n  - {address: vm.db, step: vm.boot, fail: broken}\n"

APPLY = ("apply", "-y", "--on-failure", "continue")
MOMENTS = (
    "job.begin.before:1",
    "job.begin.after:1",
    "apply.begin.before:1",
    "state.begin.written:1",
    "state.begin.after:1",
    "state.commit.after:1",
    "simulator.vm.create.half:1",
    "state.finish.before:1",
    "state.finish.after:1",
    "job.end.before:1",
    "job.end.after:1",
)


class Restarted(Place):
    """A place whose daemon is killed at a moment, after which another one starts at once."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        super().__init__(folder, HOST)
        self.path = self.data / "rpc.sock"
        self.daemons: list[subprocess.Popen[bytes]] = []

    def begin(self, fault: str = "") -> None:
        command = [sys.executable, "-m", "herocloud", "daemon", "run", "--socket", str(self.path)]
        environment = {**self.environment, "HEROCLOUD_FAULTS": fault}
        log = (self.folder / f"log{len(self.daemons)}").open("wb")
        self.daemons.append(subprocess.Popen(command, cwd="/", env=environment, stdout=log, stderr=log))
        log.close()

    def await_daemon(self) -> None:
        while True:
            assert self.daemons[-1].poll() is None
            found = daemon_process.find(self.data)
            if found is not None and found.pid == self.daemons[-1].pid and unix_socket.is_answered(self.path):
                return

    def run_killed(self, moment: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command while its daemon dies at a moment and another one takes its place."""
        self.begin(f"{moment}:kill")
        self.await_daemon()

        def replace() -> None:
            if _ended(self.daemons[0]):
                self.begin()

        replacing = threading.Thread(target=replace)
        replacing.start()
        ran = self.run(*words)
        if self.daemons[0].poll() is None:
            self.daemons[0].terminate()
        replacing.join(SECONDS)
        assert self.daemons[0].returncode == -9, ("the moment never came", ran.stderr)
        self.await_daemon()
        return ran

    def close(self) -> None:
        for daemon in self.daemons:
            daemon.kill()
            daemon.wait(SECONDS)


def _ended(daemon: subprocess.Popen[bytes]) -> bool:
    return daemon.wait(SECONDS) == -9


class Told(NamedTuple):
    """Exit code and output of a command that nothing disturbed."""

    well: tuple[int, list[str]]
    badly: tuple[int, list[str]]


def prepare(place: Place, scenario: str = "") -> None:
    (place.folder / "stack.yaml").write_text(STACK, encoding="utf-8")
    if scenario:
        (place.data / "scenario.yaml").write_text(scenario, encoding="utf-8")
        (place.data / "host.yaml").write_text(HOST + "simulator: {scenario: ./scenario.yaml}\n", encoding="utf-8")


def said(ran: subprocess.CompletedProcess[str], place: Place) -> tuple[int, list[str]]:
    return ran.returncode, normal(ran.stdout, place.folder).splitlines()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> "Told":
    """How the command ends without a daemon: well, and where a step fails."""
    told = []
    for name, scenario in (("well", ""), ("badly", FAILING)):
        place = Place(tmp_path_factory.mktemp(name), HOST)
        prepare(place, scenario)
        told.append(said(place.run(*APPLY), place))
    return Told(*told)


@pytest.fixture
def place(folder: Path) -> Iterator[Restarted]:
    made = Restarted(folder / "beside")
    yield made
    made.close()


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_apply_is_told_as_if_nobody_had_died(alone: Told, place: Restarted, moment: str) -> None:
    prepare(place)
    ran = place.run_killed(moment, *APPLY)
    assert said(ran, place) == alone.well, ran.stderr
    assert "daemon failed" not in ran.stderr
    assert "defect" not in ran.stderr
    assert [past.status for past in lookups.past_applies(place.data)] == ["done"]
    assert [job["status"] for job in place.jobs() if job["ended_at"] is None] == []


@pytest.mark.parametrize("moment", ["state.commit.after:3", "state.finish.after:1", "job.end.before:1", "job.end.after:1"])
def test_an_apply_that_fails_is_told_as_if_nobody_had_died(alone: Told, place: Restarted, moment: str) -> None:
    prepare(place, FAILING)
    ran = place.run_killed(moment, *APPLY)
    assert alone.badly[0] == 13
    assert said(ran, place) == alone.badly, ran.stderr
    assert [past.status for past in lookups.past_applies(place.data)] == ["partial"]


def test_an_apply_runs_here_when_its_daemon_dies_before_it_takes_it_and_none_comes_back(alone: Told, place: Restarted) -> None:
    prepare(place)
    place.begin("job.begin.before:1:kill")
    place.await_daemon()
    ran = place.run(*APPLY)
    assert _ended(place.daemons[0])
    assert said(ran, place) == alone.well, ran.stderr
    assert [past.status for past in lookups.past_applies(place.data)] == ["done"]


def test_a_daemon_that_took_an_apply_and_does_not_come_back_is_said_to_be_gone(
    place: Restarted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from herocloud.cli import handed_jobs, runner

    prepare(place)
    place.begin("job.begin.after:1:kill")
    place.await_daemon()
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(place.folder)
    monkeypatch.setattr(handed_jobs, "GONE_SECONDS", 0.5)
    assert runner.run(APPLY) == 1
    assert "The daemon is gone" in capsys.readouterr().err
    assert lookups.past_applies(place.data) == []
