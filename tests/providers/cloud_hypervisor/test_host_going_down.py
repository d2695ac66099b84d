"""A host that goes down shuts its guests down first; none of them comes back before it is off, and all of them do when it boots."""

from typing import Any

import pytest

from herocloud.operations import host_shutdown
from herocloud.providers.vmm import identity
from herocloud.rpc.wire import systemd
from herocloud.state import holders
from tests.providers.cloud_hypervisor import test_vms_that_cannot_act
from tests.providers.cloud_hypervisor.conftest import STAND_IN, until

site = test_vms_that_cannot_act.site


def _sid(site: Any) -> str:
    (sid,) = [path.name for path in (site.data_folder / "vms").iterdir()]
    return sid


def test_vms_run_on_where_the_host_does_not_go_down(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "is_host_going_down", lambda: False)
    process = identity.running(site.data_folder, _sid(site))
    assert "The host is not going down, so VMs run on." in site.done("daemon", "run", "--shutdown-only").err
    assert identity.running(site.data_folder, _sid(site)) == process


def test_guests_hear_their_power_button_and_come_back_with_the_host(site: Any, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if command[0] != str(STAND_IN):
        pytest.skip("needs a guest that switches itself off")
    site.done("daemon", "install", "--units", "units")
    monkeypatch.setattr(systemd, "is_host_going_down", lambda: True)
    sid = _sid(site)
    assert "Guests that switched themselves off: shop/vm.web." in site.done("daemon", "run", "--shutdown-only").err
    # Its policy says `always`: what starts it again has to be gone as well.
    record = identity.record_path(site.data_folder, sid)
    until(lambda: not identity.is_held(record), "nothing is left of it")
    assert identity.running(site.data_folder, sid) is None
    assert "stopped" in site.done("vm", "list").out
    monkeypatch.setattr(holders, "read_boot_id", lambda *_: "the next boot")
    assert "brought back vm.web" in site.done("daemon", "run", "--boot-only").err
    assert identity.running(site.data_folder, sid) is not None
    assert "No drift." in site.done("drift").out


def test_a_guest_that_does_not_listen_is_left_to_the_end_of_the_host(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "is_host_going_down", lambda: True)
    monkeypatch.setattr(host_shutdown, "SECONDS", 0.2)
    path = site.folder / "stack.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("guest=lively", "guest=silent"), encoding="utf-8")
    site.done("apply", "-y")
    process = identity.running(site.data_folder, _sid(site))
    said = site.done("daemon", "run", "--shutdown-only").err
    assert "Guests that did not, and lose their power with the host: shop/vm.web." in said
    assert identity.running(site.data_folder, _sid(site)) == process
