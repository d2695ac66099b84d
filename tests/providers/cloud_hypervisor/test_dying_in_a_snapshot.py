"""A VM whose process dies while its memory is written: the command says so, half a snapshot is not left, and the VM starts again."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.host import detection
from herocloud.providers.vmm import folders, launch
from tests.providers.cloud_hypervisor.conftest import STAND_IN, kernel

STACK = """\
stack: shop
images:
  tiny: {{kernel: {kernel}, cmdline: console=ttyS0 guest=lively}}
volumes:
  data: {{size: 4 MiB}}
vms:
  web: {{image: tiny, hypervisor: cloud-hypervisor, memory: 64 MiB, volumes: [data]}}
  db: {{image: tiny, hypervisor: cloud-hypervisor, memory: 64 MiB, restart: always}}
"""


class Site:
    """A host whose program may be made to die."""

    def __init__(self, herocloud: Any, program: Path) -> None:
        self.run, self._program = herocloud, program

    def let(self, *words: str) -> None:
        """Let programs that are started from now on misbehave."""
        flags = " ".join(f"--stand-in {word}" for word in words)
        self._program.write_text(f'#!/bin/sh\nexec {STAND_IN} "$@" {flags}\n', encoding="utf-8")
        self._program.chmod(0o755)

    @property
    def snapshots(self) -> list[str]:
        return sorted(path.name for path in (self.run.data_folder / "vms").glob("*/snapshots/*"))


@pytest.fixture
def site(herocloud: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Run two VMs whose programs die when they are to write memory."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        pytest.skip("needs /dev/kvm")
    monkeypatch.setattr(launch, "has_systemd", lambda: False)
    monkeypatch.setattr(detection, "_memory", lambda _about: 64 * 1024**3)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    made = Site(herocloud, tmp_path / "bin" / "cloud-hypervisor")
    made.let("die=vm.snapshot")
    (herocloud.data_folder / "host.yaml").write_text("name: node1\n", encoding="utf-8")
    herocloud.write(STACK.format(kernel=kernel(tmp_path)))
    herocloud.done("apply", "-y")
    yield made
    for vm in ("web", "db"):
        herocloud.done("vm", "stop", vm, "--force", "-q")
    herocloud("destroy", "-y", "--purge", "-q")
    shutil.rmtree(folders.runtime_root(herocloud.data_folder), ignore_errors=True)


@pytest.mark.parametrize("words", [("web",), ("db",), ("web", "db", "--together")], ids=" ".join)
def test_it_is_said_and_nothing_of_the_snapshot_is_left(site: Site, words: tuple[str, ...]) -> None:
    ran = site.run("vm", "snapshot", "create", *words, "--name", "one", "--memory")
    assert ran.code == 1, ran.both
    assert "does not run any more (it crashed or was killed), so its memory is gone; it starts from its disks again" in ran.out
    assert "Remove the cause, then the same command tries again." in ran.out
    assert "update done" not in ran.err
    assert site.snapshots == []
    assert "There are no snapshots." in site.run.done("vm", "snapshot", "list").out
    assert site.run.done("vm", "list").out.count(" running ") == 2
    assert "No drift." in site.run.done("drift").out
    assert "No changes." in site.run.done("plan").out
    assert "There is nothing to resume" in site.run.done("resume").out


def test_the_same_command_takes_it_once_the_program_lives(site: Site) -> None:
    command = ("vm", "snapshot", "create", "web", "--name", "one", "--memory")
    site.let()
    # It dies once more, as it was started before; it is started again by that.
    assert site.run(*command).code == 1
    site.run.done(*command)
    assert site.snapshots == ["one", "one.mark"]


def test_what_was_cut_off_is_taken_back_as_well_where_it_cannot_be_finished(site: Site, spawn: Any) -> None:
    command = ("vm", "snapshot", "create", "db", "web", "--name", "one", "--memory", "--together")
    # Killed once the copies of the disks are there, and before the memory is.
    cut = spawn(*command, env={**os.environ, "HEROCLOUD_FAULTS": "cloud-hypervisor.snapshot.save.before:1:kill"})
    said = cut.communicate(timeout=60)
    assert cut.returncode == -9, said
    assert site.snapshots != []
    ran = site.run("resume", "-y")
    assert ran.code == 1, ran.both
    assert "so its memory is gone; it starts from its disks again" in ran.out
    assert site.snapshots == []
    assert "There is nothing to resume" in site.run.done("resume").out
    assert "No drift." in site.run.done("drift").out
    assert "No changes." in site.run.done("plan").out
    assert site.run.done("vm", "list").out.count(" running ") == 2


def test_a_resume_that_is_told_so_keeps_what_it_could_make(site: Site, spawn: Any) -> None:
    command = ("vm", "snapshot", "create", "web", "--name", "one", "--memory")
    cut = spawn(*command, env={**os.environ, "HEROCLOUD_FAULTS": "cloud-hypervisor.snapshot.save.before:1:kill"})
    said = cut.communicate(timeout=60)
    assert cut.returncode == -9, said
    ran = site.run("resume", "-y", "--on-failure", "stop")
    assert ran.code == 13, ran.both
    assert site.snapshots == ["one", "one.mark"]


def test_without_taking_back_the_change_is_not_said_to_be_done(site: Site) -> None:
    ran = site.run("vm", "snapshot", "create", "web", "--name", "one", "--memory", "--on-failure", "stop")
    assert ran.code == 13, ran.both
    assert "snapshot.save failed" in ran.err
    assert "update done" not in ran.err
