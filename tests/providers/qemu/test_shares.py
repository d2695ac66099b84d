"""A share has a daemon of its own, which starts before the VM, comes back when it ends, and goes with the VM."""

import os
import signal
from pathlib import Path

import pytest

from herocloud.model import powers
from herocloud.model.errors import Permanent
from herocloud.providers.vmm import folders, identity, virtiofs


@pytest.fixture
def shared(bench, machine, tmp_path, monkeypatch):
    """Make a machine with a share, whose daemon is a stand-in that listens and does nothing."""
    program = tmp_path / "virtiofsd"
    program.write_text('#!/bin/sh\nfor word; do case $word in --socket-path=*) : >"${word#*=}" ;; esac; done\nexec tail -f /dev/null\n')
    program.chmod(0o755)
    monkeypatch.setattr(virtiofs, "find_program", lambda: str(program))
    folder = tmp_path / "shared"
    folder.mkdir()
    bench.part = machine(shares=[{"path": str(folder), "tag": "shared"}])
    bench.do("vm.create", None, bench.part)
    yield bench
    virtiofs.end(bench.data, "v1")


def _daemon(bench):
    return identity.running(bench.data, "v1", "-share-0")


def _start(bench) -> None:
    folders.make_runtime_folder(bench.data, "v1")
    virtiofs.start(bench.data, "v1", bench.part, "vm.web")


def test_it_listens_before_the_vm_starts_and_ends_with_it(shared) -> None:
    _start(shared)
    first = _daemon(shared)
    assert first is not None
    assert Path(first.socket).exists()
    virtiofs.end(shared.data, "v1")
    assert not identity.is_alive(first)
    assert list(identity.record_path(shared.data, "v1").parent.glob("process-share*")) == []


def test_it_comes_back_for_a_vm_that_comes_back(shared, eventually) -> None:
    _start(shared)
    first = _daemon(shared)
    identity.send(first, signal.SIGKILL)
    assert eventually(lambda: (found := _daemon(shared)) is not None and found != first)


@pytest.mark.parametrize(("victims", "flaw"), [("both", "shared dead"), ("shell", "shared without a keeper")])
def test_one_that_nobody_starts_again_is_seen_and_comes_back(shared, eventually, victims, flaw) -> None:
    _start(shared)
    first = _daemon(shared)
    assert virtiofs.with_flaw(shared.data, "v1", shared.part) == shared.part
    shell = identity.read(identity.record_path(shared.data, "v1", "-share-0.keeper"))
    for process in (shell, first) if victims == "both" else (shell,):
        identity.send(process, signal.SIGKILL)
        assert identity.wait_for_death(process, 10)
    assert virtiofs.with_flaw(shared.data, "v1", shared.part) == {**shared.part, "sharing": flaw}
    virtiofs.bring_back(shared.data, "v1", shared.part, "vm.web")
    assert virtiofs.with_flaw(shared.data, "v1", shared.part) == shared.part
    second = _daemon(shared)
    assert (second == first) == (victims == "shell")
    identity.send(second, signal.SIGKILL)
    assert eventually(lambda: (found := _daemon(shared)) is not None and found != second)


def test_starting_again_leaves_one(shared) -> None:
    _start(shared)
    first = _daemon(shared)
    _start(shared)
    assert not identity.is_alive(first)
    assert _daemon(shared) is not None


def test_a_folder_that_is_gone_is_named(shared) -> None:
    Path(shared.part["shares"][0]["path"]).rmdir()
    with pytest.raises(Permanent, match=r"the shared folder `.*shared` does not exist"):
        shared.power("vm.boot", "stopped", "running")


def test_a_daemon_that_ends_at_once_says_why(shared, tmp_path) -> None:
    (tmp_path / "virtiofsd").write_text("#!/bin/sh\necho no user namespaces >&2\nexit 1\n")
    with pytest.raises(Permanent, match="no user namespaces"):
        shared.power("vm.boot", "stopped", "running")
    assert shared.process is None


def test_a_host_without_the_program_says_what_to_install(bench, machine, monkeypatch) -> None:
    monkeypatch.setattr(virtiofs, "find_program", lambda: None)
    with pytest.raises(Permanent, match="install the package virtiofsd"):
        bench.do("vm.create", None, machine(shares=[{"path": "/srv", "tag": "a"}]))
    assert bench.see() == {}


def test_a_share_is_lost_with_its_daemon_until_the_vm_boots_again(bench, machine, tmp_path, eventually) -> None:
    if virtiofs.find_program() is None:
        pytest.skip(f"needs the program `virtiofsd` ({virtiofs.MISSING})")
    if os.geteuid() != 0:
        pytest.skip("needs to be root: virtiofsd shares the files of all users")
    folder = tmp_path / "shared"
    folder.mkdir()
    bench.part = machine(shares=[{"path": str(folder), "tag": "shared"}, {"path": str(folder), "tag": "kept"}])
    bench.do("vm.create", None, bench.part)
    bench.power("vm.boot", "stopped", "running")
    assert bench.see()["machine"] == bench.part
    first = _daemon(bench)
    identity.send(first, signal.SIGKILL)
    assert eventually(lambda: (found := _daemon(bench)) is not None and found != first), "its shell starts another one"
    lost = {**bench.part, powers.LOST_SHARES: f"shared: {powers.SERVER_ENDED}"}
    assert eventually(lambda: bench.see()["machine"] == lost)
    labeled = {**bench.part, "labels": {"tier": "data"}}
    bench.do("vm.update", lost, labeled)
    assert bench.see()["machine"] == {**labeled, powers.LOST_SHARES: f"shared: {powers.SERVER_ENDED}"}
    bench.power("vm.stop", "running", "stopped")
    assert bench.see()["machine"] == labeled
    bench.power("vm.boot", "stopped", "running")
    assert bench.see()["machine"] == labeled
    bench.power("vm.stop", "running", "stopped")


def test_orders_that_somebody_changed_show_and_are_written_again(shared) -> None:
    _start(shared)
    first, record = _daemon(shared), identity.record_path(shared.data, "v1", "-share-0")
    look = lambda: virtiofs.with_flaw(shared.data, "v1", shared.part)  # noqa: E731
    assert look() == shared.part
    with folders.orders_path(record).open("a") as orders:
        orders.write("word\0source=/\0")
    assert look() == {**shared.part, powers.SHARING: f"shared {powers.KEEPER_OTHER_ORDERS}"}
    virtiofs.bring_back(shared.data, "v1", shared.part, "vm.web")
    assert (look(), _daemon(shared)) == (shared.part, first)
