"""A disk that grew under a running guest stays that large: the preview of a rollback says so before anybody approves it."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers.vmm import folders
from tests.providers.cloud_hypervisor.conftest import kernel

MIB = 1024**2
STACK = """\
stack: shop
images:
  tiny: {{kernel: {kernel}, cmdline: console=ttyS0 guest=lively}}
volumes:
  data: {{size: {size} MiB}}
  other: {{size: 4 MiB}}
vms:
  web: {{image: tiny, hypervisor: cloud-hypervisor, memory: 64 MiB, volumes: [data], labels: {{tier: {tier}}}}}
"""


@pytest.fixture
def cut(herocloud: Any, program_on_path: Path, tmp_path: Path, spawn: Callable[..., Any]) -> Iterator[Any]:
    """Grow a volume under a running VM, and be killed before the apply has ended."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        pytest.skip("needs /dev/kvm")
    (herocloud.data_folder / "host.yaml").write_text("name: node1\n", encoding="utf-8")
    boots = kernel(tmp_path)
    herocloud.write(STACK.format(kernel=boots, size=4, tier="one"))
    herocloud.done("apply", "-y", "-q")
    herocloud.write(STACK.format(kernel=boots, size=8, tier="two"))
    process = spawn("apply", "-y", "-q", env={**os.environ, "HEROCLOUD_FAULTS": "apply.finish.before:1:kill"})
    process.communicate(timeout=60)
    assert process.returncode == -9
    yield herocloud
    herocloud.done("vm", "stop", "web", "--force", "-q")
    herocloud("destroy", "-y", "--purge", "-q")
    shutil.rmtree(folders.runtime_root(herocloud.data_folder), ignore_errors=True)


def test_the_preview_says_that_the_size_stays_and_the_rollback_takes_back_the_rest(cut: Any) -> None:
    path = cut.data_folder / "volumes" / "shop" / "data.raw"
    assert path.stat().st_size == 8 * MIB
    preview = cut("resume", "--rollback", "--no-input")
    why = "`volume.data` was written to after it grew to 8 MiB, so the new room may be in use. The disk stays that large"
    assert f"not as a whole: {why}" in preview.out
    ran = cut("resume", "--rollback", "-y")
    assert ran.code == 13, ran.both
    assert "volume.data: volume.grow could not be taken back" in ran.out
    assert why in ran.out
    assert path.stat().st_size == 8 * MIB
    labels = json.loads(cut.done("vm", "show", "web", "--json").out)
    assert "one" in json.dumps(labels), "what does not hang on the size is taken back"
    assert "There is nothing to resume" in cut.done("resume").out


def test_a_plan_after_it_knows_the_size_that_there_is(cut: Any, tmp_path: Path) -> None:
    cut("resume", "--rollback", "-y")
    cut.write(STACK.format(kernel=tmp_path / "vmlinux", size=4, tier="one"))
    plan = cut("plan")
    assert "a volume does not shrink from 8 MiB to 4 MiB" in plan.err
    cut.write(STACK.format(kernel=tmp_path / "vmlinux", size=8, tier="one"))
    cut.done("apply", "-y")
    assert "No changes." in cut.done("plan").out
