"""Every kind of step, on a machine that runs without a guest in it: performed, probed before and after, repeated, and taken back."""

import os
import signal
import threading
from pathlib import Path

import pytest

from herocloud.kits import processors
from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.ownership import read_owner
from herocloud.providers.qemu import boot as qemu_boot
from herocloud.providers.seam import Found
from herocloud.providers.vmm import folders, identity
from herocloud.providers.vmm.restarter import VmmRestarter


def _life(bench, machine):
    """Make a machine and run it."""
    bench.do("vm.create", None, machine)
    bench.power("vm.boot", "stopped", "running")


def test_creating_starts_nothing(bench, machine) -> None:
    part = machine()
    assert bench.probe("vm.create", None, part).found is Found.NOT_STARTED
    work = bench.do("vm.create", None, part)
    assert bench.driver.probe(work).found is Found.DONE
    assert (bench.see(), bench.process) == ({"machine": part, "power": "stopped"}, None)
    bench.driver.perform(work)
    bench.driver.undo(work)
    assert bench.see() == {}
    assert bench.driver.probe(work).found is Found.NOT_STARTED
    assert bench.root.exists()


def test_booting_and_stopping(bench, machine) -> None:
    bench.do("vm.create", None, machine())
    boot = bench.power("vm.boot", "stopped", "running")
    first = bench.process
    assert first is not None
    assert bench.driver.probe(boot).found is Found.DONE
    assert bench.see()["power"] == "running"
    bench.driver.perform(boot)
    assert bench.process == first
    stop = bench.work("vm.stop", "running", "stopped", part="power")
    assert bench.driver.probe(stop).found is Found.NOT_STARTED
    bench.driver.perform(stop)
    assert bench.driver.probe(stop).found is Found.DONE
    assert (bench.process, bench.see()["power"]) == (None, "stopped")
    assert "forced power-off" in bench.told
    assert not folders.runtime_folder(bench.data, "v1").exists()
    bench.driver.undo(stop)
    assert bench.see()["power"] == "running"
    bench.driver.undo(boot)
    assert bench.see()["power"] == "stopped"


def test_pausing_and_going_on(bench, machine) -> None:
    _life(bench, machine())
    pause = bench.power("vm.pause", "running", "paused")
    assert (bench.see()["power"], bench.driver.probe(pause).found) == ("paused", Found.DONE)
    resume = bench.work("vm.resume", "paused", "running", part="power")
    assert bench.driver.probe(resume).found is Found.NOT_STARTED
    bench.driver.perform(resume)
    assert bench.see()["power"] == "running"
    bench.driver.undo(resume)
    assert bench.see()["power"] == "paused"
    bench.power("vm.stop", "paused", "stopped")
    assert bench.see()["power"] == "stopped"


def test_a_machine_that_went_by_itself_is_seen_as_stopped_and_boots_again(bench, machine) -> None:
    _life(bench, machine())
    os.kill(bench.process.pid, 9)
    bench.power("vm.stop", "running", "stopped")
    bench.power("vm.boot", "stopped", "running")
    assert bench.see()["power"] == "running"


def test_configuring_waits_for_a_stop(bench, machine) -> None:
    before, after = machine(), machine(max_vcpus=8)
    _life(bench, before)
    with pytest.raises(Conflict, match="must be stopped before it is configured"):
        bench.do("vm.configure", before, after)
    bench.power("vm.stop", "running", "stopped")
    work = bench.do("vm.configure", before, after)
    assert bench.see()["machine"] == after
    assert bench.driver.probe(work).found is Found.DONE
    bench.driver.undo(work)
    assert bench.see()["machine"] == before


def test_what_is_fixed_at_boot_is_not_changed_live(bench, machine) -> None:
    before = machine()
    _life(bench, before)
    with pytest.raises(Permanent, match="`hugepages` is fixed at boot"):
        bench.do("vm.update", before, machine(hugepages=True))


def test_limits_labels_and_pinning_change_without_the_guest(bench, machine) -> None:
    before = machine(vcpus=2)
    rate = {"bandwidth": 20_000_000, "burst": 5_000_000, "iops": 300}
    after = machine(vcpus=2, labels={"tier": "data"}, root={"direct": False, "rate": rate}, affinity=[[0], []])
    _life(bench, before)
    work = bench.do("vm.update", before, after)
    assert bench.see()["machine"] == after
    assert bench.driver.probe(work).found is Found.DONE
    bench.driver.undo(work)
    assert bench.see()["machine"] == before


def test_limits_and_pinning_are_in_force_from_the_first_instruction(bench, machine) -> None:
    part = machine(affinity=[[0]], root={"direct": False, "rate": {"bandwidth": 1_000_000, "burst": None, "iops": None}})
    _life(bench, part)
    assert bench.see()["machine"] == part


def _masks(bench) -> list[set[int]]:
    return [os.sched_getaffinity(int(thread.name)) for thread in Path(f"/proc/{bench.process.pid}/task").iterdir()]


@pytest.mark.usefixtures("shared_processor")
def test_a_machine_may_run_on_all_processors_whoever_starts_and_changes_it(bench, machine) -> None:
    _life(bench, machine(vcpus=2))
    first = _masks(bench)
    assert first == [processors.whole()] * len(first)
    bench.do("vm.update", machine(vcpus=2), machine(vcpus=2, affinity=[[0], []]))
    bench.do("vm.update", machine(vcpus=2, affinity=[[0], []]), machine(vcpus=2))
    after = _masks(bench)
    assert after == [processors.whole()] * len(after)


def test_a_root_disk_grows_under_a_running_machine(bench, machine, mib) -> None:
    _life(bench, machine())
    disk = {"size": 8 * mib, "path": "vms/v1/root.raw", "image": "x", "source": "y"}
    grown = {**disk, "size": 16 * mib}
    assert bench.probe("vm.grow", disk, grown, part="disk").found is Found.NOT_STARTED
    work = bench.do("vm.grow", disk, grown, part="disk")
    assert bench.root.stat().st_size == 16 * mib
    assert bench.driver.probe(work).found is Found.DONE
    bench.driver.perform(work)


def test_a_root_disk_that_a_guest_knows_to_be_larger_is_not_cut(bench, machine, mib) -> None:
    _life(bench, machine())
    disk = {"size": 8 * mib, "path": "vms/v1/root.raw", "image": "x", "source": "y"}
    work = bench.do("vm.grow", disk, {**disk, "size": 16 * mib}, part="disk")
    with pytest.raises(Permanent, match=r"its root disk grew to 16 MiB.*The disk stays that large"):
        bench.driver.undo(work)
    assert bench.root.stat().st_size == 16 * mib


def test_a_renamed_vm_goes_on_under_its_new_name(bench, machine) -> None:
    _life(bench, machine())
    work = bench.do("vm.move", {"address": "vm.web"}, {"address": "vm.front"}, part="mark", address="vm.front")
    assert bench.driver.probe(work).found is Found.DONE
    assert read_owner(bench.data / "vms" / "v1").address == "vm.front"
    assert bench.process is not None
    bench.driver.undo(work)
    assert bench.see()["power"] == "running"
    assert bench.driver.probe(work).found is Found.NOT_STARTED


def test_deleting_needs_a_stop_and_leaves_the_disk(bench, machine) -> None:
    part = machine()
    _life(bench, part)
    with pytest.raises(Conflict, match="must be stopped before its machine is deleted"):
        bench.do("vm.delete", part, None)
    bench.power("vm.stop", "running", "stopped")
    work = bench.do("vm.delete", part, None)
    assert bench.driver.probe(work).found is Found.DONE
    assert sorted(entry.name for entry in (bench.data / "vms" / "v1").iterdir()) == ["owner.json", "root.raw"]
    bench.driver.perform(work)
    bench.driver.undo(work)
    assert bench.see() == {"machine": part, "power": "stopped"}


def test_the_vm_of_another_state_is_left_alone(bench, machine) -> None:
    part = machine()
    bench.do("vm.create", None, part)
    bench.lineage = "lineage-2"
    assert bench.probe("vm.create", None, part).found is Found.CONTRADICTED
    for kind, before, after in (("vm.create", None, part), ("vm.delete", part, None)):
        with pytest.raises(Conflict, match="another state, lineage-1"):
            bench.do(kind, before, after)


def test_a_card_that_is_plugged_in_finds_its_address_in_the_seed_of_now(bench, machine) -> None:
    seed = bench.data / "vms/v1/seed.iso"
    seed.write_bytes(b"a" * 4096)
    before, after = machine(seed="v1-1"), machine(seed="v1-1", nics=["nic.0"])
    _life(bench, before)
    fresh = seed.with_name("fresh")
    fresh.write_bytes(b"b" * 8192)
    fresh.replace(seed)
    bench.attach(nat=False)
    bench.do("vm.attach", before, after)
    assert bench.see()["machine"] == after
    assert qemu_boot.questions(bench.data, "v1").disks["seed"]["image"]["virtual-size"] == 8192


def test_what_has_no_machine_does_not_boot(bench) -> None:
    with pytest.raises(Permanent, match="has no machine"):
        bench.power("vm.boot", "stopped", "running")
    assert bench.probe("vm.boot", "stopped", "running", part="power").found is Found.CONTRADICTED


def test_a_machine_that_cannot_start_says_why_and_is_not_tried_again_by_itself(bench, machine) -> None:
    bench.do("vm.create", None, machine(topology={"threads": 1, "cores": 3, "dies": 1, "packages": 1}, restart="always"))
    with pytest.raises(Permanent, match=r"(?s)(QEMU ended|ended at once).*topology"):
        bench.power("vm.boot", "stopped", "running")
    bench.power("vm.stop", "running", "stopped")
    assert bench.see()["power"] == "stopped"


def test_a_machine_that_a_signal_ended_is_started_again_on_failure(bench, machine) -> None:
    """QEMU ends with 0 then, as it does when its guest switches itself off."""
    bench.do("vm.create", None, machine(restart="on-failure"))
    bench.power("vm.boot", "stopped", "running")
    first = bench.process
    identity.send(first, signal.SIGTERM)
    for _ in range(2000):
        if bench.process not in (None, first):
            break
        threading.Event().wait(0.01)
    assert bench.process not in (None, first)
    assert [event.detail for event in VmmRestarter(bench.data, "v1").read_events() if event.kind == "ended"] == ["143"]
    bench.power("vm.stop", "running", "stopped")


def test_a_disk_that_is_gone_is_named(bench, machine) -> None:
    bench.do("vm.create", None, machine())
    bench.root.unlink()
    with pytest.raises(Permanent, match=r"the root disk `.*root\.raw` does not exist"):
        bench.power("vm.boot", "stopped", "running")


def test_a_vm_that_no_record_knows_is_found_by_its_name(bench, machine) -> None:
    _life(bench, machine())
    bench.spec = {}
    bench.power("vm.stop", "running", "stopped")
    bench.do("vm.delete", machine(), None)
    assert bench.see() == {}
    with pytest.raises(Permanent, match="has no machine here"):
        bench.power("vm.stop", "running", "stopped")
