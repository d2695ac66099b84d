"""A guest sees what is changed while it runs: processors, memory, disks, cards; and lets go of them again.

One guest is booted for all of these, with a card in user mode so that nobody needs rights; every test leaves it as it found it.
"""

import pytest

from herocloud.model.errors import Permanent
from herocloud.providers.qemu import DECLARATION, boot, kvm_probe
from herocloud.providers.seam import Found

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def guest(make_bench, tiny_image, make_part):
    """Boot the tiny guest, and wait until it says that it is ready."""
    bench = make_bench()
    payload = {"kernel": str(tiny_image.kernel), "initramfs": str(tiny_image.initramfs), "cmdline": "console=ttyS0 quiet"}
    bench.part = make_part(payload=payload, root=None)
    bench.attach(nat=True)
    bench.do("vm.create", None, bench.part)
    bench.power("vm.boot", "stopped", "running")
    bench.wait(lambda: "herocloud-guest ready" in bench.console)
    return bench


def _says_later(guest, words: str):
    """Return a condition: the guest has said this once more than up to now."""
    times = guest.console.count(words)
    return lambda: guest.console.count(words) > times


def _change(guest, kind: str, **fields):
    """Change the guest, see that the probe agrees, and return the step."""
    before = guest.see()["machine"]
    work = guest.work(kind, before, {**before, **fields})
    assert guest.driver.probe(work).found is Found.NOT_STARTED
    guest.driver.perform(work)
    assert guest.see()["machine"] == work.step.after
    assert guest.driver.probe(work).found is Found.DONE
    return work


def test_memory_comes_and_goes(guest, mib) -> None:
    heard = _says_later(guest, "herocloud-guest add memory")
    work = _change(guest, "vm.resize", memory=512 * mib)
    assert guest.wait(heard)
    guest.driver.undo(work)
    assert guest.see()["machine"]["memory"] == 256 * mib


def test_memory_is_given_back_and_taken_again(guest, mib) -> None:
    before = guest.see()["machine"]
    counted = lambda: DECLARATION.hypervisor.counters(guest.data, "v1").get("balloon")  # noqa: E731
    assert counted() is None
    work = _change(guest, "vm.resize", balloon=64 * mib)
    assert counted() == {"asked_bytes": 64 * mib, "given_bytes": 64 * mib}
    _change(guest, "vm.resize", balloon=96 * mib)
    # Around it the memory grows and shrinks as ever.
    _change(guest, "vm.resize", memory=320 * mib)
    _change(guest, "vm.resize", memory=256 * mib, balloon=64 * mib)
    assert counted() == {"asked_bytes": 64 * mib, "given_bytes": 64 * mib}
    guest.driver.undo(work)
    assert guest.see()["machine"] == before
    assert counted() is None


def test_a_disk_is_plugged_in_grown_and_unplugged(guest, mib) -> None:
    guest.volume("data", 4 * mib)
    heard = _says_later(guest, "herocloud-guest add block vda")
    use = {"volume": "data", "readonly": False, "size": 4 * mib}
    attach = _change(guest, "vm.attach", volumes=[use])
    assert guest.wait(heard)
    grown = _change(guest, "vm.update", volumes=[{**use, "size": 8 * mib}])
    assert (guest.data / "volumes/shop/data.raw").stat().st_size == 8 * mib
    gone = _says_later(guest, "herocloud-guest remove block vda")
    _change(guest, "vm.detach", volumes=[])
    assert guest.wait(gone)
    guest.driver.undo(guest.work("vm.detach", grown.step.after, attach.step.before))
    assert guest.see()["machine"]["volumes"] == [{**use, "size": 8 * mib}]
    _change(guest, "vm.detach", volumes=[])


def test_a_card_is_plugged_in_and_unplugged(guest) -> None:
    heard = _says_later(guest, "herocloud-guest add net eth0")
    work = _change(guest, "vm.attach", nics=["nic.0"])
    assert guest.wait(heard)
    gone = _says_later(guest, "herocloud-guest remove net eth0")
    guest.driver.undo(work)
    assert guest.wait(gone)
    assert guest.see()["machine"]["nics"] == []


def test_all_at_once_and_back(guest, mib) -> None:
    guest.volume("more", 4 * mib)
    use = {"volume": "more", "readonly": True, "size": 4 * mib}
    work = _change(guest, "vm.update", memory=384 * mib, volumes=[use], nics=["nic.0"], labels={"a": "b"})
    guest.driver.undo(work)
    assert guest.see()["machine"] == work.step.before


def test_a_change_that_was_cut_off_is_found_and_finished(guest, mib) -> None:
    before = guest.see()["machine"]
    half = guest.work("vm.resize", before, {**before, "memory": 320 * mib})
    guest.driver.perform(half)
    whole = guest.work("vm.resize", before, {**before, "memory": 384 * mib})
    assert guest.driver.probe(whole).found is Found.CONTRADICTED
    guest.driver.undo(half)
    guest.driver.perform(whole)
    guest.driver.undo(whole)
    assert guest.see()["machine"] == before


def test_processors_come_and_under_emulation_go_with_a_power_cycle_only(guest) -> None:
    heard = _says_later(guest, "herocloud-guest add cpu cpu1")
    work = _change(guest, "vm.resize", vcpus=2)
    assert guest.wait(heard)
    if kvm_probe.accelerate("qemu").name == "kvm":
        guest.driver.undo(work)
        assert guest.see()["machine"]["vcpus"] == 1
        return
    with pytest.raises(Permanent, match="cannot be unplugged safely"):
        guest.driver.undo(work)
    assert guest.see()["machine"]["vcpus"] == 2


def test_what_somebody_changed_by_hand_is_drift(guest) -> None:
    before, heard = guest.see()["machine"], _says_later(guest, "herocloud-guest add cpu")
    with boot.open_talk(guest.data, "v1") as talk:
        kind = talk.ask("query-hotpluggable-cpus")[0]["type"]
        talk.ask("device_add", driver=kind, id="by-hand", socket_id=3, core_id=0, thread_id=0)
        talk.ask("stop")
    drifted = guest.see()
    assert drifted == {"machine": {**before, "vcpus": before["vcpus"] + 1}, "power": "paused"}
    guest.power("vm.resume", "paused", "running")
    assert guest.wait(heard)


def test_the_button_ends_it(guest) -> None:
    guest.told.clear()
    guest.patient().perform(guest.work("vm.stop", "running", "stopped", part="power"))
    assert guest.see()["power"] == "stopped"
    assert "forced power-off" not in guest.told
    assert "herocloud-guest stopping" in guest.console
