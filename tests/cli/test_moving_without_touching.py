"""A rename changes a mark and nothing that runs: middle instances, volumes and networks keep their machines, disks and plugs."""

import json
from typing import Any

import pytest

HEAD = """\
stack: shop
images: {debian: {source: "https://example.org/debian.qcow2", unpinned: true, format: qcow2}}
"""


def _write(herocloud: Any, text: str) -> None:
    herocloud.write(HEAD + text)


def _changes(herocloud: Any) -> dict[str, str]:
    found = json.loads(herocloud.done("plan", "--json").out)["resource_changes"]
    return {one["address"]: one["action"] for one in found if one["action"] != "no-op"}


def _kinds(herocloud: Any) -> list[str]:
    return [step["id"] for step in json.loads(herocloud.done("plan", "--json").out)["steps"]]


def _sids(herocloud: Any) -> dict[str, str]:
    return {vm["address"]: vm["sid"] for vm in json.loads(herocloud.done("vm", "list", "--json").out)["vms"]}


def _state(herocloud: Any, address: str) -> dict[str, Any]:
    return json.loads(herocloud.done("state", "show", address, "--json").out)  # type: ignore[no-any-return]


WORKERS = "vms: {{worker: {{count: {count}, image: debian, memory: 1 GiB}}}}\n"
TAKES = "moved: [{from: 'worker[1]', to: 'worker[0]'}]\n".replace("worker[", "vm.worker[")


@pytest.fixture
def workers(herocloud: Any) -> Any:
    """Apply a block of three."""
    _write(herocloud, WORKERS.format(count=3))
    herocloud.done("apply", "-y", "-q")
    return herocloud


def test_an_instance_takes_the_name_of_one_that_goes(herocloud) -> None:
    _write(herocloud, WORKERS.format(count=2))
    herocloud.done("apply", "-y", "-q")
    before = _sids(herocloud)
    _write(herocloud, WORKERS.format(count=1) + TAKES)
    ran = herocloud("plan")
    assert ran.code == 0, ran.both
    assert "vm.worker[0]" in ran.out
    assert "was `vm.worker[0]`, whose name another takes" in ran.out
    assert [step for step in _kinds(herocloud) if step.startswith("vm.worker[0]/")] == ["vm.worker[0]/vm.move"]
    assert herocloud("apply", "--approve", "create,update,replace").code == 12, "what goes needs the class destroy"
    herocloud.done("apply", "-y", "-q")
    assert _sids(herocloud) == {"vm.worker[0]": before["vm.worker[1]"]}
    assert "No changes." in herocloud.done("plan").out
    assert "No drift." in herocloud.done("drift").out


def test_a_middle_instance_goes_and_the_last_one_fills_the_gap(workers) -> None:
    before = _sids(workers)
    _write(workers, WORKERS.format(count=2) + "moved: [{from: 'vm.worker[2]', to: 'vm.worker[1]'}]\n")
    ran = workers("plan")
    assert ran.code == 0, ran.both
    workers.done("apply", "-y", "-q")
    assert _sids(workers) == {"vm.worker[0]": before["vm.worker[0]"], "vm.worker[1]": before["vm.worker[2]"]}
    assert "No changes." in workers.done("plan").out


SHIFTS = ["{from: 'vm.worker[1]', to: 'vm.worker[0]'}", "{from: 'vm.worker[2]', to: 'vm.worker[1]'}"]


@pytest.mark.parametrize("entries", [SHIFTS, SHIFTS[::-1]], ids=["in order", "the other way round"])
def test_several_shifts_in_one_file_are_as_many_renames(workers, entries) -> None:
    before = _sids(workers)
    _write(workers, WORKERS.format(count=2) + f"moved: [{', '.join(entries)}]\n")
    assert _changes(workers) == {"vm.worker[0]": "move", "vm.worker[1]": "move", "vm.worker[3]": "delete"}
    told = workers.done("plan").out
    assert told.count("was vm.worker[0]") == 0, "the name that another takes is told twice"
    workers.done("apply", "-y", "-q")
    assert _sids(workers) == {"vm.worker[0]": before["vm.worker[1]"], "vm.worker[1]": before["vm.worker[2]"]}
    # Both renames are made, and the file may go on saying so.
    assert "No changes." in workers.done("plan").out
    assert "No drift." in workers.done("drift").out
    workers.done("undo", "-y", "-q")
    assert _sids(workers) == before


@pytest.mark.parametrize("way", [(), ("--rollback",)], ids=["finished", "taken back"])
@pytest.mark.parametrize("point", ["vm.move.after:1", "vm.move.after:2", "vm.move.before:3", "vm.stop.half:1"])
def test_a_kill_among_several_shifts_is_finished_or_taken_back(workers, spawn, point, way) -> None:
    import os

    before = _sids(workers)
    _write(workers, WORKERS.format(count=2) + f"moved: [{', '.join(SHIFTS)}]\n")
    killed = spawn("apply", "-y", "-q", env={**os.environ, "HEROCLOUD_FAULTS": f"simulator.{point}:kill"})
    killed.communicate(timeout=60)
    assert killed.returncode == -9
    ran = workers("resume", "-y", "-q", *way)
    assert ran.code == 0, ran.both
    assert _sids(workers) == (before if way else {"vm.worker[0]": before["vm.worker[1]"], "vm.worker[1]": before["vm.worker[2]"]})
    assert "No drift." in workers.done("drift").out


def test_a_shift_without_the_next_one_makes_room_for_a_new_instance(herocloud) -> None:
    _write(herocloud, WORKERS.format(count=2))
    herocloud.done("apply", "-y", "-q")
    before = _sids(herocloud)
    herocloud.done("vm", "delete", "worker[0]", "-y", "-q")
    _write(herocloud, WORKERS.format(count=2) + f"moved: [{', '.join(SHIFTS)}]\n")
    assert _changes(herocloud) == {"vm.worker[0]": "move", "vm.worker[1]": "create"}
    herocloud.done("apply", "-y", "-q")
    assert _sids(herocloud)["vm.worker[0]"] == before["vm.worker[1]"]
    assert "No changes." in herocloud.done("plan").out


def test_undo_gives_every_instance_its_name_back(workers) -> None:
    before, records = _sids(workers), [_state(workers, f"vm.worker[{number}]")["parts"] for number in range(3)]
    _write(workers, WORKERS.format(count=2) + "moved: [{from: 'vm.worker[2]', to: 'vm.worker[0]'}]\n")
    workers.done("apply", "-y", "-q")
    workers.done("undo", "-y", "-q")
    assert _sids(workers) == before
    assert [_state(workers, f"vm.worker[{number}]")["parts"] for number in range(3)] == records
    _write(workers, WORKERS.format(count=3))
    assert "No changes." in workers.done("plan").out


@pytest.mark.parametrize("way", [(), ("--rollback",)], ids=["finished", "taken back"])
@pytest.mark.parametrize(
    "point", ["vm.move.before:1", "vm.move.after:1", "vm.move.before:2", "vm.move.after:2", "vm.stop.half:1", "vm.delete.after:1"]
)
def test_a_kill_is_finished_or_taken_back(workers, spawn, point, way) -> None:
    import os

    before = _sids(workers)
    _write(workers, WORKERS.format(count=2) + "moved: [{from: 'vm.worker[2]', to: 'vm.worker[0]'}]\n")
    killed = spawn("apply", "-y", "-q", env={**os.environ, "HEROCLOUD_FAULTS": f"simulator.{point}:kill"})
    killed.communicate(timeout=60)
    assert killed.returncode == -9
    ran = workers("resume", "-y", "-q", *way)
    assert ran.code == 0, ran.both
    after = {"vm.worker[0]": before["vm.worker[2]"], "vm.worker[1]": before["vm.worker[1]"]}
    assert _sids(workers) == (before if way else after)
    assert "No drift." in workers.done("drift").out


def test_a_failure_is_rolled_back_to_the_old_names(workers) -> None:
    before = _sids(workers)
    (workers.data_folder / "scenario.yaml").write_text("rules: [{step: vm.delete, fail: no such luck}]\n", encoding="utf-8")
    with (workers.data_folder / "host.yaml").open("a", encoding="utf-8") as file:
        file.write("simulator: {scenario: ./scenario.yaml}\n")
    _write(workers, WORKERS.format(count=2) + "moved: [{from: 'vm.worker[2]', to: 'vm.worker[0]'}]\n")
    assert workers("apply", "-y", "--on-failure", "rollback").code != 0
    assert _sids(workers) == before
    assert "No drift." in workers.done("drift").out


def test_a_vm_of_another_name_does_not_push_one_out(herocloud) -> None:
    vms = "vms: {a: {image: debian, memory: 1 GiB}, b: {image: debian, memory: 1 GiB}}\n"
    _write(herocloud, vms)
    herocloud.done("apply", "-y", "-q")
    _write(herocloud, "vms: {b: {image: debian, memory: 1 GiB}}\nmoved: [{from: vm.a, to: vm.b}]\n")
    ran = herocloud("plan")
    assert ran.code == 1, ran.both
    assert "both are recorded" in ran.err


DISKS = """\
volumes: {{{name}: {{size: 20 GiB}}{more}}}
vms: {{db: {{image: debian, memory: 1 GiB, volumes: [{{volume: {name}}}]}}}}
"""
RENAMED = DISKS.format(name="syslog", more="") + "moved: [{from: volume.journal, to: volume.syslog}]\n"


@pytest.fixture
def attached(herocloud: Any) -> Any:
    """Apply a VM that runs with a volume."""
    _write(herocloud, DISKS.format(name="journal", more=""))
    herocloud.done("apply", "-y", "-q")
    return herocloud


def test_a_renamed_volume_stays_plugged_in(attached) -> None:
    _write(attached, RENAMED)
    ran = attached.done("plan")
    assert _kinds(attached) == ["volume.syslog/volume.move", "vm.db/vm.update"], "the volume is unplugged from a VM that runs"
    assert "renamed, and stays plugged in" in ran.out
    attached.done("apply", "--approve", "update")
    assert "No changes." in attached.done("plan").out
    assert "No drift." in attached.done("drift").out
    (use,) = _state(attached, "vm.db")["parts"]["machine"]["volumes"]
    assert (use["volume"], use["plugged"]) == ("syslog", "journal")
    _write(attached, DISKS.format(name="syslog", more=""))
    assert "No changes." in attached.done("plan").out


@pytest.mark.parametrize("way", [(), ("--rollback",)], ids=["finished", "taken back"])
@pytest.mark.parametrize("point", ["volume.move.after:1", "vm.update.before:1", "vm.update.after:1"])
def test_a_kill_while_a_volume_is_renamed_is_finished_or_taken_back(attached, spawn, point, way) -> None:
    import os

    before = _state(attached, "vm.db")["parts"]
    _write(attached, RENAMED)
    killed = spawn("apply", "-y", "-q", env={**os.environ, "HEROCLOUD_FAULTS": f"simulator.{point}:kill"})
    killed.communicate(timeout=60)
    assert killed.returncode == -9
    ran = attached("resume", "-y", "-q", *way)
    assert ran.code == 0, ran.both
    assert "No drift." in attached.done("drift").out
    if way:
        assert _state(attached, "vm.db")["parts"] == before


def test_undo_gives_a_volume_its_name_back_without_unplugging_it(attached) -> None:
    before = _state(attached, "vm.db")["parts"]
    _write(attached, RENAMED)
    attached.done("apply", "-y", "-q")
    attached.done("undo", "-y", "-q")
    assert _state(attached, "vm.db")["parts"] == before
    _write(attached, DISKS.format(name="journal", more=""))
    assert "No changes." in attached.done("plan").out


def test_a_new_volume_of_the_old_name_is_another_disk(attached) -> None:
    _write(attached, RENAMED)
    attached.done("apply", "-y", "-q")
    both = DISKS.format(name="syslog", more=", journal: {size: 5 GiB}")
    _write(attached, both.replace("[{volume: syslog}]", "[{volume: syslog}, {volume: journal}]"))
    attached.done("apply", "-y", "-q")
    paths = {name: _state(attached, f"volume.{name}")["parts"]["volume"]["path"] for name in ("syslog", "journal")}
    assert paths == {"syslog": "volumes/shop/journal.raw", "journal": "volumes/shop/journal-2.raw"}
    assert "No changes." in attached.done("plan").out
    assert "No drift." in attached.done("drift").out
