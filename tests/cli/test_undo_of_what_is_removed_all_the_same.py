"""An undo knows what is gone although its journal does not call the removal done: it brings that back from where it is kept, or refuses."""

import json
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.test_rollback_in_part import DATA, HEAD, Cut

BEFORE = f"""\
{HEAD}networks: {{lan: {{cidr: 10.43.0.0/24}}}}
volumes: {{data: {{size: 1 GiB}}}}
vms: {{web: {{volumes: [data], networks: [lan]}}}}
"""
REPLACED = """\
stack: shop
images: {{debian: {{source: "https://example.org/{image}.qcow2", unpinned: true, format: qcow2}}}}
defaults: {{image: debian, memory: 2 GiB}}
vms: {{b: {{}}, c: {{}}}}
"""


@pytest.fixture
def cut(herocloud: Any, spawn: Any) -> Cut:
    return Cut(herocloud, spawn)


def _world(herocloud: Any) -> dict[str, Any]:
    """Return the parts and the data of everything in the simulated world."""
    with sqlite3.connect(herocloud.data_folder / "simulator.db") as world:
        rows = world.execute("SELECT address, parts, contents FROM things").fetchall()
    world.close()
    return {address: (json.loads(parts), json.loads(contents)) for address, parts, contents in rows if parts != "{}"}


def test_the_undo_of_a_rollback_in_part_refuses_to_plug_in_a_volume_that_was_purged(cut: Cut) -> None:
    before = f"{DATA}vms: {{b: {{volumes: [data]}}}}\n"
    cut.apply(before, "moved: [{from: vm.b, to: vm.bb}]\nvms: {bb: {}}\n", "apply.finish.before:1")
    assert cut.herocloud("resume", "--rollback", "-y").code == 13
    refused = cut.herocloud("undo", "apply-2", "-y")
    assert refused.code == 1
    assert "Deleted data is gone (volume.data)" in refused.err
    assert "The data of `volume.data` was purged" in refused.err
    assert "is not finished" not in cut.herocloud("plan").both, "nothing was begun"
    assert cut.states() == {"vm.b": "running"}


def test_the_undo_of_a_rollback_in_part_promises_no_vm_whose_disk_was_purged(cut: Cut) -> None:
    cut.herocloud.write(REPLACED.format(image="old"))
    cut.herocloud.done("apply", "-y", "-q")
    cut.herocloud.write(REPLACED.format(image="new"))
    cut.kill("simulator.disk.delete.after:1")
    (lost,) = (address for address, one in cut.preview().items() if not one["comes_back"])
    assert cut.herocloud("resume", "--rollback", "-y").code in (1, 13)
    refused = cut.herocloud("undo", "apply-2", "-y")
    assert refused.code == 1
    assert f"Deleted data is gone ({lost})" in refused.err
    assert cut.states()[lost] == "gone"


@pytest.mark.parametrize("kind", ["volume.delete", "disk.delete", "vm.delete", "network.delete", "tap.delete"])
def test_what_a_failed_step_has_removed_comes_back_with_its_data(herocloud: Any, misbehave: Callable[[str], None], kind: str) -> None:
    herocloud.write(BEFORE)
    herocloud.done("apply", "-y", "-q")
    before = _world(herocloud)
    misbehave(f"{{step: {kind}, at: after, times: 1, fail: the plug was pulled}}")
    herocloud.write(HEAD)
    failed = herocloud("apply", "-y", "-q")
    assert failed.code in (1, 13), failed.both
    assert "`herocloud undo apply-2` takes it back" in failed.both
    undone = herocloud.done("undo", "apply-2", "-y")
    assert _world(herocloud) == before, undone.both
    herocloud.write(BEFORE)
    assert "No changes." in herocloud.done("plan").out


def test_what_a_failed_step_has_purged_is_refused_by_name(herocloud: Any, misbehave: Callable[[str], None]) -> None:
    herocloud.write(BEFORE)
    herocloud.done("apply", "-y", "-q")
    misbehave("{step: volume.delete, at: after, times: 1, fail: the plug was pulled}")
    herocloud.write(HEAD.replace("defaults", "vms: {web: {}}\ndefaults"))
    herocloud("apply", "-y", "-q", "--purge")
    refused = herocloud("undo", "apply-2", "-y")
    assert refused.code == 1
    assert "Deleted data is gone (volume.data)" in refused.err


@pytest.mark.parametrize("kind", ["volume.delete", "disk.delete", "vm.delete"])
def test_what_a_failed_step_did_not_remove_is_not_promised_from_a_tombstone(
    herocloud: Any, misbehave: Callable[[str], None], kind: str
) -> None:
    herocloud.write(BEFORE)
    herocloud.done("apply", "-y", "-q")
    before = _world(herocloud)
    misbehave(f"{{step: {kind}, at: before, times: 1, fail: the plug was pulled}}")
    herocloud.write(HEAD)
    herocloud("apply", "-y", "-q")
    herocloud.done("undo", "apply-2", "-y")
    assert _world(herocloud) == before
