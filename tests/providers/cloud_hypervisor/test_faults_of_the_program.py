"""Whatever is wrong with the program or the host ends in words that say what to do, and leaves nothing behind."""

import contextlib
import re
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.kits import http
from herocloud.model.errors import HerocloudError, Permanent, Temporary
from herocloud.providers.cloud_hypervisor import installation, live_view, observing, vmm_process
from herocloud.providers.cloud_hypervisor.client import Client, Lost, Silent
from herocloud.providers.seam import Attachment, ProviderContext, Tap
from herocloud.providers.vmm import folders, identity

MIB = 1024**2
pytestmark = pytest.mark.parametrize("command", ["stand-in"], indirect=True)


@pytest.fixture
def misbehave(program_on_path: Path, command: list[str]) -> Callable[..., None]:
    """Let the program behave as these words say (see `stand_in/misbehavior.py`)."""

    def replace(*words: str) -> None:
        path = program_on_path / "cloud-hypervisor"
        path.unlink(missing_ok=True)
        flags = " ".join(f"--stand-in '{word}'" for word in words)
        path.write_text(f'#!/bin/sh\nexec {command[0]} "$@" {flags}\n')
        path.chmod(0o755)

    return replace


def _fail(bench: Any, error: type[HerocloudError], **fields: Any) -> str:
    """Boot a machine that cannot boot; returns the words, and sees that nothing runs and a stop cleans up."""
    bench.do("vm.create", None, bench.machine(**fields))
    work = bench.work("vm.boot", "stopped", "running", part="power")
    with pytest.raises(error) as caught:
        bench.driver.perform(work)
    assert "Traceback" not in str(caught.value)
    assert "Stack backtrace" not in str(caught.value)
    bench.driver.undo(work)
    assert bench.see()["power"] == "stopped"
    assert bench.left_over() == []
    return str(caught.value)


def test_a_program_that_is_missing(bench: Any, program_on_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(program_on_path))
    (program_on_path / "cloud-hypervisor").unlink()
    with pytest.raises(Permanent, match="`cloud-hypervisor` is missing; install Cloud Hypervisor v50 or newer, or use `hypervisor: qemu`"):
        bench.driver.perform(bench.work("vm.create", None, bench.machine()))
    standing = observing.survey(ProviderContext(bench.data), thorough=True)
    assert (standing.usable, "is missing" in standing.why) == (False, True)


def test_a_program_that_is_too_old(bench: Any, misbehave: Callable[..., None]) -> None:
    misbehave("version=49.0")
    with pytest.raises(Permanent, match=r"v49.0 is older than v50.0.*install a newer Cloud Hypervisor"):
        bench.driver.perform(bench.work("vm.create", None, bench.machine()))
    assert not observing.survey(ProviderContext(bench.data), thorough=True).usable


def test_a_program_with_known_holes_is_used_with_a_word(bench: Any, misbehave: Callable[..., None]) -> None:
    misbehave("version=50.2")
    standing = observing.survey(ProviderContext(bench.data), thorough=True)
    assert standing.usable
    assert {hole for lacking in standing.lacking for hole in re.findall(r"CVE-\d+-\d+", lacking.why)} == {
        "CVE-2026-27211",
        "CVE-2026-45782",
    }
    bench.running()
    assert bench.see()["power"] == "running"


@pytest.mark.parametrize("version", ["50.0", "51.1", "52.0", "53.0", "54.0"])
def test_every_release_that_is_supported_boots_changes_and_stops(bench: Any, misbehave: Callable[..., None], version: str) -> None:
    misbehave(f"version={version}")
    bench.root()
    bench.volume("data")
    bench.running(root={"direct": False, "rate": None})
    before = bench.see()["machine"]
    use = {"volume": "data", "readonly": False, "size": 4 * MIB}
    work = bench.do("vm.attach", before, {**before, "vcpus": 2, "memory": 256 * MIB, "volumes": [use]})
    bench.driver.undo(work)
    assert bench.see()["machine"] == before
    bench.power("vm.stop", "running", "stopped")
    assert bench.left_over() == []


def test_a_release_that_nobody_knows_is_used_with_a_word(bench: Any, misbehave: Callable[..., None]) -> None:
    misbehave("version=60.0")
    standing = observing.survey(ProviderContext(bench.data), thorough=True)
    assert standing.usable
    assert any("newer than any release" in lacking.why for lacking in standing.lacking)
    bench.running()


def test_a_program_that_is_something_else(bench: Any, program_on_path: Path) -> None:
    path = program_on_path / "cloud-hypervisor"
    path.unlink()
    path.write_text("#!/bin/sh\nexit 3\n")
    path.chmod(0o755)
    with pytest.raises(Permanent, match=r"does not tell its version.*install it again"):
        bench.driver.perform(bench.work("vm.create", None, bench.machine()))


def test_a_program_that_ends_at_once(bench: Any, misbehave: Callable[..., None]) -> None:
    misbehave("exit=3")
    said = _fail(bench, Permanent)
    assert "exits as it was asked to" in said
    assert "its log is" in said
    assert "`herocloud doctor` checks what it needs" in said


def test_a_program_that_hangs(bench: Any, misbehave: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    misbehave("hang=start")
    monkeypatch.setattr(vmm_process, "FIRST_ANSWER", 1.0)
    said = _fail(bench, Temporary)
    assert "does not answer on its socket within 1 s" in said
    assert "herocloud doctor" in said


def test_a_program_that_answers_garbage(bench: Any, misbehave: Callable[..., None]) -> None:
    misbehave("garbage=vm.create")
    said = _fail(bench, Temporary)
    assert "Cloud Hypervisor does not answer `vm.create`" in said
    assert said.endswith("try again, and where it stays so `herocloud doctor` checks the program")


def test_a_folder_of_sockets_that_cannot_be_made(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.NamedTemporaryFile(prefix="hc-") as file:
        monkeypatch.setattr(folders, "base", lambda _environment=None: Path(file.name) / "herocloud")
        said = _fail(bench, Permanent)
    assert "cannot be made (Not a directory); sockets of VMs lie there: remove what is in its place" in said


def test_a_folder_of_sockets_where_nobody_may_write(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not even root makes folders there.
    monkeypatch.setattr(folders, "base", lambda _environment=None: Path("/sys/herocloud"))
    assert _fail(bench, Permanent).endswith("sockets of VMs lie there: let this user write to `/sys`")


def test_a_host_without_kvm(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "KVM", tmp_path / "kvm")
    with pytest.raises(Permanent, match="there is no `/dev/kvm`; load the module kvm_intel or kvm_amd, or use `hypervisor: qemu`"):
        bench.driver.perform(bench.work("vm.create", None, bench.machine()))


def test_a_disk_that_somebody_else_has_open(bench: Any) -> None:
    import fcntl
    import os
    import struct

    path = bench.root()
    with path.open("r+b") as held:
        fcntl.fcntl(held, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0))
        said = _fail(bench, Permanent, root={"direct": False, "rate": None})
    assert "Another instance likely holds a lock" in said
    assert "another VM, or a program, has this disk open; stop it" in said
    bench.power("vm.boot", "stopped", "running")


@pytest.fixture
def tap(bench: Any) -> Iterator[Any]:
    """Hold a tap as another program does, in the namespace that the tests run in."""
    import fcntl
    import os
    import struct

    try:
        held = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(held, 0x400454CA, struct.pack("16sH22x", b"hc-chtest-0", 0x0002 | 0x1000 | 0x4000))
    except OSError as error:
        pytest.skip(f"needs the right to make a tap ({error.strerror})")
    yield "hc-chtest-0"
    os.close(held)


@pytest.mark.root
def test_a_tap_that_another_program_holds(bench: Any, tap: str) -> None:
    bench.attachments["nic.0"] = Attachment("02:00:00:00:00:01", "vm.web", ("10.9.0.2",), Tap(tap))
    said = _fail(bench, Permanent, nics=["nic.0"])
    assert "another program holds this tap" in said


def test_a_tap_that_is_not_there(bench: Any) -> None:
    bench.attachments["nic.0"] = Attachment("02:00:00:00:00:01", "vm.web", ("10.9.0.2",), Tap("hc-none-0"))
    assert "the tap `hc-none-0` of `vm.web` does not exist; `herocloud plan` shows" in _fail(bench, Permanent, nics=["nic.0"])


def test_a_kernel_that_is_missing(bench: Any) -> None:
    payload = {**bench.machine()["payload"], "kernel": str(bench.data / "nothing")}
    said = _fail(bench, Permanent, payload=payload)
    assert f"the kernel `{bench.data / 'nothing'}` does not exist; put it there, or name another one in the stack file" in said


def test_a_host_without_enough_memory(bench: Any, misbehave: Callable[..., None]) -> None:
    misbehave("fail=vm.boot:The VM could not boot|Memory manager error|Cannot allocate memory (os error 12)")
    assert "the host has not enough free memory; stop a VM, or give this one less" in _fail(bench, Permanent)


def test_a_disk_that_boots_by_itself_without_firmware(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "FIRMWARE", ())
    bench.root()
    said = _fail(bench, Permanent, payload=None, root={"direct": False, "rate": None})
    assert "no UEFI firmware for Cloud Hypervisor was found" in said


def test_a_machine_that_is_slow_to_answer_is_not_taken_for_dead(bench: Any, misbehave: Callable[..., None]) -> None:
    misbehave("slow=vm.info:4")
    bench.do("vm.create", None, bench.machine())
    bench.driver.perform(bench.work("vm.boot", "stopped", "running", part="power"))
    assert bench.see() == {"machine": bench.machine(), "power": "running"}


def test_a_backtrace_never_reaches_anybody(bench: Any, misbehave: Callable[..., None]) -> None:
    misbehave("fail=vm.boot:The VM could not boot|it broke\nStack backtrace:\n   0: main")
    said = _fail(bench, Permanent)
    assert "it broke" in said
    assert "0: main" not in said


@pytest.mark.parametrize("version", ["50.0", "51.1", "52.0", "53.0", "54.0"])
def test_every_release_gets_its_vm_again_when_it_is_started_again(bench: Any, misbehave: Callable[..., None], version: str) -> None:
    misbehave(f"version={version}")
    bench.running(restart="always")
    first = bench.process
    identity.send(first, signal.SIGKILL)

    def is_back() -> bool:
        with contextlib.suppress(Lost):
            return bench.process not in (None, first) and (bench.info or {}).get("state") == "Running"
        return False

    assert any(is_back() or threading.Event().wait(0.01) for _ in range(3000)), "the process is back without its VM"


@pytest.mark.parametrize("error", [Silent, Lost])
def test_a_guest_whose_program_does_not_answer_in_time_gets_its_power_button(
    bench: Any, monkeypatch: pytest.MonkeyPatch, error: type[HerocloudError]
) -> None:
    bench.running()
    bench.told.clear()

    def refuse(*_words: Any) -> None:
        raise error("busy")

    monkeypatch.setattr(Client, "info", refuse)
    bench.driver.perform(bench.work("vm.stop", "running", "stopped", part="power"))
    assert [text for text in bench.told if text.startswith("power button")]
    assert "forced power-off" not in bench.told, "the guest could write its data back"


@pytest.mark.parametrize(
    "said",
    [
        "[1]",
        "{}",
        '{"state": "Running"}',
        '{"state": 5, "config": {}}',
        "[" * 5000,
        '{"state": "Running", "config": {"cpus": 1, "memory": []}}',
    ],
    ids=["list", "nothing", "no-config", "number", "nested", "shapes"],
)
def test_a_program_that_somebody_else_speaks_for_breaks_no_look(bench: Any, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    bench.running()
    before = bench.see()
    monkeypatch.setattr(http.HttpClient, "request", lambda *_words, **_named: http.Answer(200, said, {}))
    assert bench.see()["machine"] == before["machine"], "what is not known is as it was marked"
    assert live_view.count(bench.data, "v1") == {}
    with pytest.raises(Lost, match=r"what answers `vm\.info` is not Cloud Hypervisor"):
        bench.info  # noqa: B018  (a property that asks)
