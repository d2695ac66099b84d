"""Where systemd runs, a VMM is a unit of its own: known, kept, ended, and started again under the same name."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from herocloud.providers.vmm import companions, identity, launch
from tests.providers.vmm.test_pairs import Beside

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0 or not Path("/run/systemd/system").is_dir(), reason="needs root on a host that systemd runs"),
]


@pytest.fixture
def unit(stand, monkeypatch):
    monkeypatch.setattr(launch, "has_systemd", lambda: True)
    yield stand
    subprocess.run(["systemctl", "stop", "herocloud-test.service"], check=False, capture_output=True)


def _state() -> str:
    return subprocess.run(["systemctl", "is-active", "herocloud-test.service"], check=False, capture_output=True, text=True).stdout.strip()


def test_it_is_a_unit_with_all_its_words(unit, eventually) -> None:
    words = ["a b", "it's", "$HOME", "${HOME}", "100%", "%n", "$$"]
    target = unit.data / "said"
    known = unit.start("sh", "-c", f'printf "[%s]" "$@" >{target}; exec tail -f /dev/null', "sh", *words)
    assert _state() == "active"
    assert "herocloud.slice" in Path(f"/proc/{known.pid}/cgroup").read_text()
    assert eventually(lambda: target.exists() and target.read_text() == "".join(f"[{word}]" for word in words))
    found = identity.find(unit.data, unit.sid)
    assert found is not None
    assert found.pid == known.pid


def test_it_ends_and_starts_again_under_its_name(unit, eventually) -> None:
    first = unit.start("sleep", "60")
    identity.send(first, signal.SIGTERM)
    launch.dismiss(unit.record)
    assert eventually(lambda: _state() != "active")
    second = unit.start("sleep", "61")
    assert identity.is_alive(second)
    assert second.pid != first.pid


def test_its_log_is_for_its_owner_alone(unit) -> None:
    unit.start("sh", "-c", "echo began; exec tail -f /dev/null")
    assert unit.record.with_name(f"{unit.record.name}.log").stat().st_mode & 0o777 == 0o600


def test_it_comes_back_by_itself_inside_its_unit(unit, eventually) -> None:
    first = unit.start("sleep", "60", restart="always")
    launch.keep(unit.record, kept=True)
    identity.send(first, signal.SIGKILL)
    assert eventually(lambda: (found := identity.running(unit.data, unit.sid)) is not None and found != first)
    assert _state() == "active"
    launch.keep(unit.record, kept=False)
    launch.dismiss(unit.record)


def test_a_reload_of_systemd_leaves_it_as_it_is(unit) -> None:
    unit.start("sleep", "60")
    before = _show("Slice", "OOMPolicy", "StandardOutput")
    assert "Slice=herocloud.slice" in before
    subprocess.run(["systemctl", "daemon-reload"], check=True, capture_output=True)
    assert _show("LoadState") == ["LoadState=loaded"]
    assert _show("Slice", "OOMPolicy", "StandardOutput") == before


def _show(*names: str) -> list[str]:
    words = ["systemctl", "show", f"--property={','.join(names)}", "herocloud-test.service"]
    return sorted(subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines())


def test_a_host_that_shuts_down_ends_both(unit, eventually) -> None:
    known = unit.start("sleep", "60", restart="always")
    launch.keep(unit.record, kept=True)
    subprocess.run(["systemctl", "stop", "herocloud-test.service"], check=True, capture_output=True)
    assert not identity.is_alive(known)
    assert eventually(lambda: not identity.is_held(unit.record))


def test_it_ends_after_what_shuts_guests_down(unit) -> None:
    unit.start("sleep", "60")
    assert launch.SHUTDOWN_UNIT in _show("Before")[0].split("=")[1].split()


# What works beside a VMM starts with it, and so is in its unit.


@pytest.fixture
def beside(unit) -> Beside:
    return Beside(unit)


def _members() -> set[int]:
    """Return the processes in the unit."""
    group = subprocess.run(
        ["systemctl", "show", "--value", "--property=ControlGroup", "herocloud-test.service"], capture_output=True, check=True
    )
    return {int(number) for number in Path(f"/sys/fs/cgroup{group.stdout.decode().strip()}/cgroup.procs").read_text().split()}


def test_what_works_beside_it_is_in_its_unit_and_comes_back_there(unit, beside, eventually) -> None:
    vmm = unit.start("sleep", "60", beside=beside.launch)
    first, shell = eventually(beside.running), eventually(beside.shell)
    assert {vmm.pid, first.pid, shell.pid} <= _members()
    identity.send(first, signal.SIGKILL)
    second = eventually(lambda: beside.again(first))
    assert {vmm.pid, second.pid, shell.pid} <= _members()
    assert companions.flaw(beside.record) is None


def test_one_that_died_with_its_shell_comes_back_in_a_unit_of_its_own(unit, beside, eventually) -> None:
    vmm = unit.start("sleep", "60", beside=beside.launch)
    first, shell = eventually(beside.running), eventually(beside.shell)
    for process in (shell, first):
        identity.send(process, signal.SIGKILL)
        assert identity.wait_for_death(process, 10)
    try:
        companions.bring_back(beside.launch)
        assert companions.flaw(beside.record) is None
        assert identity.is_alive(vmm)
        assert "herocloud-test-beside.service" in Path(f"/proc/{beside.running().pid}/cgroup").read_text()
    finally:
        subprocess.run(["systemctl", "stop", "herocloud-test-beside.service"], check=False, capture_output=True)


def test_one_without_a_shell_gets_one_under_systemd(unit, beside, eventually) -> None:
    unit.start("sleep", "60", beside=beside.launch)
    first, shell = eventually(beside.running), eventually(beside.shell)
    identity.send(shell, signal.SIGKILL)
    assert identity.wait_for_death(shell, 10)
    try:
        companions.bring_back(beside.launch)
        assert companions.flaw(beside.record) is None
        assert beside.running() == first
        identity.send(first, signal.SIGKILL)
        assert eventually(lambda: beside.again(first))
    finally:
        subprocess.run(["systemctl", "stop", "herocloud-test-beside-adopter.service"], check=False, capture_output=True)


def test_a_vmm_that_comes_back_in_its_unit_finds_the_same_one_beside_it(unit, beside, eventually) -> None:
    vmm = unit.start("sleep", "60", restart="always", beside=beside.launch)
    launch.keep(unit.record, kept=True)
    companion = eventually(beside.running)
    identity.send(vmm, signal.SIGKILL)
    assert eventually(lambda: identity.running(unit.data, unit.sid) not in (None, vmm))
    assert beside.running() == companion
    assert _state() == "active"


def test_what_works_beside_it_writes_its_last_words_before_the_unit_ends(unit, beside, eventually) -> None:
    words = unit.data / "last-words"
    program = unit.data / "beside.py"
    program.write_text(f"{program.read_text()}import threading; threading.Event().wait(1); open({str(words)!r}, 'w').write('the end')\n")
    vmm = unit.start("sleep", "60", beside=beside.launch)
    companion, shell = eventually(beside.running), eventually(beside.shell)
    identity.send(vmm, signal.SIGKILL)
    assert eventually(lambda: _state() != "active")
    assert words.read_text() == "the end"
    assert not identity.is_alive(companion)
    assert not identity.is_alive(shell)
    assert not identity.is_held(beside.record)


def test_a_host_that_shuts_down_ends_what_works_beside_it(unit, beside, eventually) -> None:
    unit.start("sleep", "60", restart="always", beside=beside.launch)
    launch.keep(unit.record, kept=True)
    companion = eventually(beside.running)
    subprocess.run(["systemctl", "stop", "herocloud-test.service"], check=True, capture_output=True)
    assert not identity.is_alive(companion)
    assert eventually(lambda: not identity.is_held(beside.record))
