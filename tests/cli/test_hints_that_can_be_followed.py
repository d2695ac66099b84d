"""What is said beside a refusal or a preview is true of this command, and can be done."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NETWORK = "stack: {name}\nnetworks: {{lan: {{cidr: 10.42.0.0/24}}}}\n"
DB = """\
stack: shop
images: {{a: {{source: "https://example.org/a.qcow2", unpinned: true, format: qcow2}}}}
vms: {{db: {{image: a, memory: {memory}}}, web: {{image: a}}}}
"""


def test_an_undo_is_not_told_to_ask_for_another_range(herocloud: Any) -> None:
    herocloud.write(NETWORK.format(name="shop"))
    herocloud.write(NETWORK.format(name="lab"), "lab.yaml")
    herocloud.done("apply", "-y")
    herocloud.done("destroy", "-y")
    herocloud.done("apply", "-y", "-f", "lab.yaml")
    ran = herocloud("undo", "-y")
    assert "The host has these addresses already" in ran.err
    assert "`cidr`" not in ran.err
    assert "free it there first" in ran.err


def test_the_preview_of_a_rollback_says_how_long_a_vm_is_down(herocloud: Any, kill: Callable[..., None]) -> None:
    stack = herocloud.write(DB.format(memory="4 GiB"))
    herocloud.done("apply", "-y", "-q")
    stack.write_text(DB.format(memory="2 GiB"), encoding="utf-8")
    kill("apply.finish.before:1", "apply", "-y", "-q")
    shown = herocloud("resume", "--rollback")
    line = next(line for line in shown.both.splitlines() if line.strip().startswith("! vm.db"))
    assert "s down" in line


def test_a_refused_restore_is_of_the_simulated_host_too(herocloud: Any, applied: Path, edit: Callable[[str, str], None]) -> None:
    herocloud.done("vm", "snapshot", "create", "db", "--name", "s1")
    edit(", volumes: [data]", "")
    herocloud.done("apply", "-y", "-q")
    ran = herocloud("vm", "snapshot", "restore", "db", "s1", "-y", "-q")
    assert "A disk is missing" in ran.err
    assert "· simulated" in ran.both


@pytest.fixture
def kill(spawn: Any) -> Callable[..., None]:
    """Return a function that runs a command which is killed at a point."""
    import os
    import signal

    def run(point: str, *command: str) -> None:
        process = spawn(*command, env={**os.environ, "HEROCLOUD_FAULTS": f"{point}:kill"})
        process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL, f"{point} was not reached"

    return run
