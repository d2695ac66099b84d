"""Two machines never write one disk."""

import subprocess

import pytest

from herocloud.model.errors import Permanent
from herocloud.providers.vmm import identity, launch


@pytest.fixture
def second(bench, monkeypatch):
    """Be another VM of the same stack for a while."""
    work = bench.work

    def other(kind, before, after, part="machine", address="vm.db"):
        bench.spec = {"sid": "v2", "networks": [], "mycelium": None}
        try:
            return work(kind, before, after, part=part, address=address)
        finally:
            bench.spec = {"sid": "v1", "networks": [], "mycelium": None}

    yield other
    known = identity.running(bench.data, "v2")
    if known is not None:
        identity.send(known, 9)
        launch.dismiss(identity.record_path(bench.data, "v2"))


def test_a_volume_that_is_being_written_is_not_opened_by_another(bench, second, machine) -> None:
    bench.volume("data")
    use = {"volume": "data", "readonly": False}
    bench.do("vm.create", None, machine(volumes=[use]))
    bench.power("vm.boot", "stopped", "running")
    bench.driver.perform(second("vm.create", None, machine(sid="v2", root=None, payload=None, volumes=[use])))
    with pytest.raises(Permanent):
        bench.driver.perform(second("vm.boot", "stopped", "running", part="power"))
    assert bench.see()["power"] == "running"


def test_a_machine_that_somebody_started_by_hand_keeps_its_disk(bench, machine, qemu, tmp_path, eventually) -> None:
    words = [qemu, "-nodefaults", "-display", "none", "-machine", "q35", "-m", "64", "-S"]
    process = subprocess.Popen([*words, "-drive", f"file={bench.root},format=raw,if=virtio", "-pidfile", str(tmp_path / "pid")])
    try:
        eventually((tmp_path / "pid").exists)
        bench.do("vm.create", None, machine())
        with pytest.raises(Permanent, match='Failed to get "write" lock'):
            bench.power("vm.boot", "stopped", "running")
    finally:
        process.kill()
        process.wait()
