"""The command line is killed in the middle of a step of each kind: `resume` finishes what it began."""

from typing import Any

import pytest

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

STACK = """\
stack: net
mycelium: {peers: ["tcp://192.0.2.9:9651"]}
"""


@pytest.mark.parametrize(
    ("command", "kind"),
    [("apply", "overlay.enable"), ("apply", "peer.add"), ("destroy", "peer.remove"), ("destroy", "overlay.disable")],
)
def test_resume_finishes_what_a_killed_command_began(host: Any, command: str, kind: str) -> None:
    host.become_whole()
    (host.folder / "stack.yaml").write_text(STACK)
    before = host.dump()
    assert "herocloud mycelium key create host" in host.ask("plan").stderr
    host.herocloud("mycelium", "key", "create", "host")
    if command == "destroy":
        host.herocloud("apply", "-y")
    killed = host.ask(command, "-y", faults=f"mycelium.{kind}.half:1:kill")
    assert killed.returncode == -9
    host.herocloud("resume", "-y")
    if command == "apply":
        assert "No changes." in host.herocloud("plan")
        assert "No drift." in host.herocloud("drift")
        assert "tcp://192.0.2.9:9651" in host.herocloud("mycelium", "status")
        host.herocloud("destroy", "-y")
    assert host.changes_since(before) == []
    assert host.processes() == []
    assert not (host.folder / "mycelium/stacks").exists()
    assert not (host.folder / "mycelium/node").exists()


def test_a_rollback_takes_back_what_a_killed_apply_began(host: Any) -> None:
    host.become_whole()
    (host.folder / "stack.yaml").write_text(STACK)
    before = host.dump()
    host.herocloud("mycelium", "key", "create", "host")
    assert host.ask("apply", "-y", faults="mycelium.peer.add.half:1:kill").returncode == -9
    host.herocloud("resume", "--rollback", "-y")
    assert host.changes_since(before) == []
    assert host.processes() == []
