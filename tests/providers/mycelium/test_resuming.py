"""The command line is killed in the middle of a step of each kind: `resume` finishes what it began."""

import os
import subprocess
import sys
from typing import Any

import pytest

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

STACK = """\
stack: net
mycelium: {peers: ["tcp://192.0.2.9:9651"]}
"""


def _run(host: Any, *words: str, faults: str = "") -> "subprocess.CompletedProcess[str]":
    path = f"{host.programs}:{os.environ['PATH']}" if host.kind == "standin" else os.environ["PATH"]
    environment = {**os.environ, "PATH": path, "HEROCLOUD_DATA_DIR": str(host.folder), "HEROCLOUD_FAULTS": faults, "NO_COLOR": "1"}
    enter = ["ip", "netns", "exec", host.name, sys.executable, "-m", "herocloud", "--chdir", str(host.folder)]
    return subprocess.run([*enter, *words], capture_output=True, text=True, env=environment, check=False, timeout=120)


def _done(host: Any, *words: str) -> str:
    ran = _run(host, *words)
    assert ran.returncode == 0, f"{words}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


@pytest.mark.parametrize(
    ("command", "kind"),
    [("apply", "overlay.enable"), ("apply", "peer.add"), ("destroy", "peer.remove"), ("destroy", "overlay.disable")],
)
def test_resume_finishes_what_a_killed_command_began(host: Any, command: str, kind: str) -> None:
    (host.folder / "state.lineage").unlink()
    (host.folder / "host.yaml").write_text("name: node1\n")
    (host.folder / "stack.yaml").write_text(STACK)
    before = host.dump()
    assert "herocloud mycelium key create host" in _run(host, "plan").stderr
    _done(host, "mycelium", "key", "create", "host")
    if command == "destroy":
        _done(host, "apply", "-y")
    killed = _run(host, command, "-y", faults=f"mycelium.{kind}.half:1:kill")
    assert killed.returncode == -9
    _done(host, "resume", "-y")
    if command == "apply":
        assert "No changes." in _done(host, "plan")
        assert "No drift." in _done(host, "drift")
        assert "tcp://192.0.2.9:9651" in _done(host, "mycelium", "status")
        _done(host, "destroy", "-y")
    assert host.changes_since(before) == []
    assert host.processes() == []
    assert not (host.folder / "mycelium/stacks").exists()
    assert not (host.folder / "mycelium/node").exists()


def test_a_rollback_takes_back_what_a_killed_apply_began(host: Any) -> None:
    (host.folder / "state.lineage").unlink()
    (host.folder / "host.yaml").write_text("name: node1\n")
    (host.folder / "stack.yaml").write_text(STACK)
    before = host.dump()
    _done(host, "mycelium", "key", "create", "host")
    assert _run(host, "apply", "-y", faults="mycelium.peer.add.half:1:kill").returncode == -9
    _done(host, "resume", "--rollback", "-y")
    assert host.changes_since(before) == []
    assert host.processes() == []
