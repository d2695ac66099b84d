"""What is advised after an apply that failed works: `undo` is offered only where it would not be refused."""

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from herocloud.operations import reversal

STACK = """\
stack: shop
images: {{debian: {{source: "https://example.org/debian.qcow2", unpinned: true, format: qcow2}}}}
volumes: {{data: {{size: {size}}}{more}}}
vms:
  web: {{image: debian, memory: {memory}, volumes: [data]}}
"""
SMALL = STACK.format(size="1 GiB", memory="1 GiB", more="")
GROWN = STACK.format(size="2 GiB", memory="2 GiB", more="")
LATER = f"{GROWN}  db: {{image: debian, memory: 1 GiB, depends_on: [vm.web]}}\n"
"""Here something comes after the growth, and can fail."""


@pytest.fixture
def fail(herocloud: Any, misbehave: Callable[[str], None]) -> Callable[..., Any]:
    """Return a function that applies one file, and then another one in which a step fails."""

    def apply(before: str, after: str, step: str, at: str, *flags: str) -> Any:
        herocloud.write(before)
        herocloud.done("apply", "-y", "-q")
        misbehave(f"{{step: {step}, at: {at}, times: 1, fail: the plug was pulled}}")
        herocloud.write(after)
        ran = herocloud("apply", "-y", *flags)
        assert ran.code in (1, 13), ran.both
        return ran

    return apply


@pytest.mark.parametrize("step", ["vm.boot", "volume.grow"])
def test_no_undo_is_advised_once_a_disk_has_grown(herocloud: Any, fail: Callable[..., Any], step: str) -> None:
    printed = fail(SMALL, LATER, step, "after").both
    assert "takes it back" not in printed
    assert "`herocloud undo apply-2` would be refused (a disk does not shrink: `volume.data`)" in printed
    assert "A disk does not shrink (volume.data)" in herocloud("undo", "apply-2", "-y").err
    assert "leave that as it is now in the stack file, put the rest back as it was, and apply" in printed
    herocloud.write(STACK.format(size="2 GiB", memory="1 GiB", more=""))
    herocloud.done("apply", "-y", "-q")
    assert "No changes." in herocloud.done("plan").out


def test_the_undo_of_what_has_not_grown_is_advised_and_works(herocloud: Any, fail: Callable[..., Any]) -> None:
    assert "`herocloud undo apply-2` takes it back" in fail(SMALL, GROWN, "volume.grow", "before").both
    herocloud.done("undo", "apply-2", "-y")
    herocloud.write(SMALL)
    assert "No changes." in herocloud.done("plan").out


def test_what_did_not_succeed_is_called_that_by_every_command(herocloud: Any, fail: Callable[..., Any]) -> None:
    assert "`herocloud undo apply-2` takes it back" in fail(SMALL, GROWN, "volume.grow", "before").both
    refused = herocloud("resume", "--rollback", "-y")
    assert refused.code == 1
    assert "`apply-2` did not succeed" in " ".join(refused.err.split())
    assert "`herocloud undo apply-2` takes back what it did" in " ".join(refused.err.split())
    assert "came to its end" not in refused.err
    assert "`apply-2` did not succeed" in herocloud.done("resume").out
    named = herocloud("resume", "apply-2", "--rollback", "-y")
    assert "`herocloud undo` takes back one that is over" in " ".join(named.err.split())
    herocloud.done("undo", "apply-2", "-y")
    assert "the last apply came to its end" in herocloud.done("resume").out


def test_no_undo_is_advised_once_data_was_purged(herocloud: Any, fail: Callable[..., Any]) -> None:
    before = STACK.format(size="1 GiB", memory="1 GiB", more=", old: {size: 1 GiB}, older: {size: 1 GiB}")
    printed = fail(before, SMALL, "volume.delete", "after", "--purge").both
    assert "takes it back" not in printed
    assert "deleted data is gone" in printed
    assert "Deleted data is gone" in herocloud("undo", "apply-2", "-y").err


def test_the_json_of_a_failed_apply_advises_the_same(fail: Callable[..., Any]) -> None:
    ran = fail(SMALL, LATER, "vm.boot", "after", "--json")
    (end,) = [event for line in ran.out.splitlines() if "next_step" in json.dumps(event := json.loads(line))]
    assert "would be refused (a disk does not shrink: `volume.data`)" in json.dumps(end, ensure_ascii=False)


def test_the_advice_after_a_resume_that_failed_is_the_same(herocloud: Any, spawn: Any, misbehave: Callable[[str], None]) -> None:
    herocloud.write(SMALL)
    herocloud.done("apply", "-y", "-q")
    herocloud.write(GROWN)
    cut = spawn("apply", "-y", "-q", env={**os.environ, "HEROCLOUD_FAULTS": "simulator.volume.grow.before:1:kill"})
    cut.communicate(timeout=60)
    assert cut.returncode < 0
    misbehave("{step: volume.grow, at: after, times: 1, fail: the plug was pulled}")
    printed = herocloud("resume", "-y").both
    assert "takes it back" not in printed
    assert "a disk does not shrink" in printed


def test_advice_that_cannot_be_made_hides_nothing_of_the_result(fail: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*_: object, **__: object) -> None:
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr(reversal, "plan_undo", defect)
    ran = fail(SMALL, LATER, "vm.boot", "after")
    assert ran.code == 13
    assert "nobody expected this" not in ran.both
    assert "vm.boot failed" in ran.both
