"""One look sees every VM as it is, believes no stale record, waits for nobody long, and loads nothing that it does not need."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from herocloud.model import powers
from herocloud.model.errors import Conflict
from herocloud.providers import ownership
from herocloud.providers.qemu import boot, observing, qmp
from herocloud.providers.recollections import Memory, Remembered
from herocloud.providers.vmm import folders, identity, marks


def _stat() -> str:
    return Path(f"/proc/{os.getpid()}/stat").read_text()


def _run(bench, part):
    bench.do("vm.create", None, part)
    bench.power("vm.boot", "stopped", "running")


def test_vms_are_seen_by_stack_and_only_those_that_are_asked_for(bench, machine) -> None:
    bench.do("vm.create", None, machine())
    observer = observing.observer(bench.data)
    assert set(observer.observe().things) == {"shop"}
    assert observer.observe(["shop"]).things["shop"]["vm.web"].lineage == "lineage-1"
    assert observer.observe(["other"]).things == {}
    assert observing.observer(bench.data / "nothing").observe().things == {}


def test_a_folder_without_an_owner_is_not_ours(bench, machine) -> None:
    bench.do("vm.create", None, machine())
    (bench.data / "vms/v1" / ownership.FILE).unlink()
    assert observing.observer(bench.data).observe().things == {}


class _Known(Memory):
    """A state that knows one VM."""

    def of_sid(self, sid: str) -> Remembered | None:
        return Remembered("shop", "vm.web", "state-1", "qemu", None) if sid == "v1" else None


def test_of_a_vm_with_a_damaged_owner_the_state_says_whose_it_is(bench, machine) -> None:
    bench.do("vm.create", None, machine())
    path = bench.data / "vms/v1" / ownership.FILE
    path.write_text("{}")
    [seen] = observing.observer(bench.data, _Known()).observe().things["shop"].values()
    assert (seen.address, seen.lineage) == ("vm.web", "state-1")
    assert seen.parts["machine"] == {**machine(), "owner": f"unreadable, {path}"}
    with pytest.raises(ownership.Damaged, match="is damaged"):
        bench.do("vm.create", None, machine())


def test_a_machine_that_was_half_removed_is_seen_and_can_be_discarded(bench, machine) -> None:
    bench.do("vm.create", None, machine())
    bench.root.unlink()
    (folders.machine_folder(bench.data, "v1") / marks.FILE).unlink()
    [half] = observing.observer(bench.data).observe().things["shop"].values()
    assert half.halves == {"machine": {"sid": "v1"}}
    bench.do("vm.discard", half.halves["machine"], None)
    assert not (bench.data / "vms/v1").exists()
    assert observing.observer(bench.data).observe().things == {}


def test_a_machine_whose_mark_was_taken_away_is_not_discarded_while_its_process_runs(bench, machine) -> None:
    bench.do("vm.create", None, machine())
    (folders.machine_folder(bench.data, "v1") / marks.FILE).unlink()
    with subprocess.Popen(["/bin/sleep", "60"], env=identity.environment(bench.data, "v1")) as process:
        stat = Path(f"/proc/{process.pid}/stat").read_text()
        identity.record_path(bench.data, "v1").write_text(f"{identity.boot_id()}\n\n\n{stat}")
        with pytest.raises(Conflict, match=f"its process {process.pid} still runs"):
            bench.do("vm.discard", {"sid": "v1"}, None)
        assert identity.running(bench.data, "v1") is not None, "its folder is left as it was"
        process.kill()


def test_what_ran_before_the_host_was_started_again_is_stopped(bench, machine) -> None:
    bench.do("vm.create", None, machine())
    mark = marks.read(bench.data, "v1")
    marks.write(bench.data, "v1", mark._replace(booted="another boot"))
    identity.record_path(bench.data, "v1").write_text(f"another boot\n\n\n{_stat()}")
    assert bench.see()["power"] == "stopped"


def test_a_process_that_only_has_the_number_is_not_ours(bench, machine) -> None:
    bench.do("vm.create", None, machine())
    mark = marks.read(bench.data, "v1")
    marks.write(bench.data, "v1", mark._replace(booted=identity.boot_id()))
    stat = _stat().replace(f"{os.getpid()} (", "1 (", 1)
    identity.record_path(bench.data, "v1").write_text(f"{identity.boot_id()}\n\n\n{stat}")
    assert bench.see()["power"] == "stopped"


def test_a_machine_that_cannot_answer_is_as_its_mark_says_and_unresponsive(bench, machine, monkeypatch) -> None:
    part = machine()
    _run(bench, part)
    ask = qmp.ask_many
    monkeypatch.setattr(qmp, "ask_many", lambda sockets, questions: ask(sockets, questions, patience=0.3))
    os.kill(bench.process.pid, signal.SIGSTOP)
    try:
        assert bench.see() == {"machine": part, "power": powers.HALTED}
    finally:
        os.kill(bench.process.pid, signal.SIGCONT)


def test_a_lost_record_does_not_lose_the_vm(bench, machine) -> None:
    _run(bench, machine())
    identity.record_path(bench.data, "v1").unlink()
    assert bench.see()["power"] == "running"
    bench.power("vm.stop", "running", "stopped")
    assert bench.see()["power"] == "stopped"


def test_sockets_that_are_gone_leave_a_vm_that_can_be_ended(bench, machine) -> None:
    import shutil

    part = machine()
    _run(bench, part)
    shutil.rmtree(folders.runtime_folder(bench.data, "v1"))
    assert bench.see() == {"machine": part, "power": powers.UNRESPONSIVE}
    bench.power("vm.stop", "running", "stopped")
    assert "SIGTERM" in bench.told
    assert bench.see()["power"] == "stopped"


def test_what_was_changed_by_hand_is_seen(bench, machine, mib) -> None:
    bench.volume("data")
    part = machine(volumes=[{"volume": "data", "readonly": False, "size": 4 * mib}])
    _run(bench, part)
    with boot.open_talk(bench.data, "v1") as talk:
        talk.ask("qom-set", path="/objects/limits", property="limits", value={"bps-total": 5_000_000})
        talk.ask("qom-set", path="/machine/peripheral/hotmem", property="requested-size", value=64 * mib)
        talk.ask("block_resize", node_name="n-volume-data", size=6 * mib)
        talk.ask("stop")
    assert bench.see() == {
        "machine": {
            **part,
            "memory": 320 * mib,
            "root": {"direct": False, "rate": {"bandwidth": 5_000_000, "burst": None, "iops": None}},
            "volumes": [{"volume": "data", "readonly": False, "size": 6 * mib}],
        },
        "power": "paused",
    }


def _loads(*lines: str) -> str:
    """Return what of ours, and of what we avoid, is loaded after these lines."""
    tell = "print(*sorted(name for name in sys.modules if name.startswith(('herocloud.providers.qemu', 'qemu', 'asyncio'))))"
    ran = subprocess.run([sys.executable, "-c", "\n".join(["import sys", *lines, tell])], capture_output=True, text=True, check=True)
    return ran.stdout.strip()


def _look_at(folder: Path) -> str:
    return _loads(
        "from pathlib import Path",
        "from herocloud.providers.qemu import observing",
        f"observing.observer(Path({str(folder)!r})).observe()",
    )


def test_a_look_at_nothing_loads_nothing(tmp_path) -> None:
    assert _look_at(tmp_path) == "herocloud.providers.qemu herocloud.providers.qemu.observing"


def test_vms_that_are_stopped_need_no_talking(bench, machine) -> None:
    bench.do("vm.create", None, machine())
    assert _look_at(bench.data) == "herocloud.providers.qemu herocloud.providers.qemu.observing"


def test_the_planner_loads_the_costs_and_nothing_else() -> None:
    loaded = _loads("from herocloud.plan import assignment", "assignment.planning_of('qemu')")
    assert loaded == "herocloud.providers.qemu herocloud.providers.qemu.planning"
