"""A guest is asked for memory at every start, what it was asked for is seen, and a guest that gives nothing is a failure.

These machines have nothing to boot, so their guests give nothing back; `test_live_changes` has one that does.
"""

import os

import pytest

from herocloud.model.errors import Permanent
from herocloud.providers.qemu import DECLARATION, balloon, boot, hotplug
from herocloud.providers.seam import Found
from herocloud.providers.vmm import identity
from tests.providers.qemu.test_killing import _held_with_snapshot, _kill_at, _revival


def _asked(bench) -> int:
    """Return how much the process says the guest was asked for, and nobody else."""
    with boot.open_talk(bench.data, "v1") as talk:
        return balloon.read(talk.put(balloon.QUESTION))


def test_what_a_guest_really_gave_back_is_no_drift(bench, machine, mib) -> None:
    wanted = machine(balloon=64 * mib)
    bench.do("vm.create", None, wanted)
    bench.power("vm.boot", "stopped", "running")
    assert bench.see() == {"machine": wanted, "power": "running"}
    assert DECLARATION.hypervisor.counters(bench.data, "v1") == {"balloon": {"asked_bytes": 64 * mib, "given_bytes": 0}}
    bench.power("vm.stop", "running", "stopped")
    assert DECLARATION.hypervisor.counters(bench.data, "v1") == {}


def test_a_guest_that_gives_nothing_is_a_failure_and_is_asked_for_as_much_as_before(bench, machine, mib, monkeypatch) -> None:
    monkeypatch.setattr(hotplug, "PATIENCE", 0.3)
    bench.do("vm.create", None, machine())
    bench.power("vm.boot", "stopped", "running")
    work = bench.work("vm.resize", machine(), machine(balloon=64 * mib))
    with pytest.raises(Permanent, match="0 B where 64 MiB were asked for, and it is asked for 0 B again"):
        bench.driver.perform(work)
    assert bench.see()["machine"] == machine()
    assert bench.driver.probe(work).found is Found.NOT_STARTED


def test_less_is_asked_for_at_once(bench, machine, mib) -> None:
    bench.do("vm.create", None, machine(balloon=64 * mib))
    bench.power("vm.boot", "stopped", "running")
    work = bench.do("vm.resize", machine(balloon=64 * mib), machine(balloon=16 * mib))
    assert bench.see()["machine"] == machine(balloon=16 * mib)
    assert bench.driver.probe(work).found is Found.DONE
    bench.do("vm.resize", machine(balloon=16 * mib), machine())
    assert bench.see()["machine"] == machine()


def test_a_guest_that_is_held_sees_to_it_when_it_goes_on(bench, machine, mib) -> None:
    bench.do("vm.create", None, machine())
    bench.power("vm.boot", "stopped", "running")
    bench.power("vm.pause", "running", "paused")
    work = bench.do("vm.resize", machine(), machine(balloon=64 * mib))
    assert bench.see() == {"machine": machine(balloon=64 * mib), "power": "paused"}
    bench.driver.undo(work)
    assert bench.see() == {"machine": machine(), "power": "paused"}


def test_a_machine_that_was_started_again_by_itself_is_seen_to_ask_for_nothing(bench, machine, mib, eventually) -> None:
    wanted = machine(balloon=64 * mib, restart="on-failure")
    bench.do("vm.create", None, wanted)
    bench.power("vm.boot", "stopped", "running")
    first = bench.process
    os.kill(first.pid, 9)
    assert identity.wait_for_death(first, 10)
    assert eventually(lambda: bench.process not in (None, first) and bench.see()["power"] == "running")
    assert eventually(lambda: "balloon" not in bench.see()["machine"])
    assert bench.see() == {"machine": machine(restart="on-failure"), "power": "running"}


@pytest.mark.parametrize("point", ["vm.boot.launched", "vm.boot.settled"])
def test_a_boot_that_was_cut_off_before_the_guest_was_asked_goes_on(bench, machine, mib, eventually, point: str) -> None:
    bench.do("vm.create", None, machine(balloon=64 * mib))
    work = bench.work("vm.boot", "stopped", "running", part="power")
    _kill_at(bench, f"qemu.{point}", work)
    assert eventually(lambda: bench.driver.probe(work).found is Found.PARTIAL)
    bench.driver.perform(work)
    assert bench.see() == {"machine": machine(balloon=64 * mib), "power": "running"}


@pytest.mark.parametrize("asked", [None, 16])
def test_a_guest_that_goes_on_from_its_memory_is_asked_for_what_its_machine_says_now(bench, machine, mib, asked) -> None:
    plain, saved = _held_with_snapshot(bench, lambda: machine(balloon=64 * mib))
    bench.do("snapshot.save", plain, saved, part="snapshot.one")
    bench.power("vm.thaw", "paused", "running")
    bench.power("vm.stop", "running", "stopped")
    now = machine(balloon=asked * mib) if asked else machine()
    bench.do("vm.configure", machine(balloon=64 * mib), now)
    bench.driver.perform(_revival(bench))
    assert _asked(bench) == (asked or 0) * mib
    assert bench.see() == {"machine": now, "power": "running"}


@pytest.mark.parametrize("answers", [None, [None, None], ["no", 5], [{"bps-total": "x"}, {}], [{}, {"actual": "x"}]])
def test_answers_that_make_no_sense_count_for_nothing(machine, answers) -> None:
    assert balloon.count(machine(), answers) == {}
