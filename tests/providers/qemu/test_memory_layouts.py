"""Memory is read back by a machine that is laid out as the one was that it was kept of, whatever came and went while that ran."""

import pytest

from herocloud.model.errors import Permanent
from herocloud.providers.qemu import layouts

SNAPSHOT = "vms/v1/snapshots/one"


def _boot(bench, machine):
    """Run a machine with a volume, to which a card, another volume and a processor come while it runs; returns what it is then."""
    for name in ("first", "second"):
        bench.volume(name)
    bench.attach(nat=False)
    first, second = ({"volume": name, "readonly": False, "size": None} for name in ("first", "second"))
    begun = machine(volumes=[first])
    bench.do("vm.create", None, begun)
    bench.power("vm.boot", "stopped", "running")
    now = machine(vcpus=2, nics=["nic.0"], volumes=[second, first])
    bench.do("vm.update", begun, now)
    return now


def _keep_memory(bench, now) -> None:
    bench.power("vm.freeze", "running", "paused")
    (bench.data / SNAPSHOT).mkdir(parents=True)
    plain = {"path": SNAPSHOT, "size": 0, "disks": [], "memory": None}
    memory = {"size": now["memory"], "hypervisor": "qemu", "version": "7", "machine": now}
    bench.do("snapshot.save", plain, {**plain, "size": memory["size"], "memory": memory}, part="snapshot.one")
    bench.power("vm.thaw", "paused", "running")
    bench.power("vm.stop", "running", "stopped")


def _revival(bench):
    work = bench.work("vm.revive", "stopped", "running", part="power")
    origin = {"stack": "shop", "address": "vm.web", "snapshot": "one", "disk": "", "path": SNAPSHOT, "token": "one-1"}
    return work._replace(step=work.step._replace(origin=origin))


def test_memory_is_read_back_after_devices_and_processors_came_while_it_ran(bench, machine) -> None:
    now = _boot(bench, machine)
    _keep_memory(bench, now)
    bench.driver.perform(_revival(bench))
    assert bench.see() == {"machine": now, "power": "running"}


def test_memory_without_a_word_about_the_layout_is_read_by_a_machine_laid_out_as_a_boot_does(bench, machine) -> None:
    bench.do("vm.create", None, machine())
    bench.power("vm.boot", "stopped", "running")
    _keep_memory(bench, machine())
    (bench.data / SNAPSHOT / "memory/layout.json").unlink()
    bench.driver.perform(_revival(bench))
    assert bench.see() == {"machine": machine(), "power": "running"}


def test_a_process_that_ends_over_the_memory_is_not_tried_again_and_its_words_are_shown(bench, machine) -> None:
    now = _boot(bench, machine)
    _keep_memory(bench, now)
    (bench.data / SNAPSHOT / "memory/layout.json").unlink()
    with pytest.raises(Permanent, match=r"(?s)QEMU ended while it read the memory of `vm.web`: .*load of migration failed.*--no-memory"):
        bench.driver.perform(_revival(bench))


def test_a_damaged_layout_is_said_with_a_way_out(tmp_path) -> None:
    assert layouts.read_back(tmp_path) is None
    for content in ("{", "[]", '{"slots": {}}'):
        (tmp_path / "layout.json").write_text(content)
        with pytest.raises(Permanent, match=r"is damaged.*--no-memory"):
            layouts.read_back(tmp_path)
