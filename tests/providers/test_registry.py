"""Providers are found by name and loaded only when somebody needs them."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from herocloud.model.errors import Refused
from herocloud.model.steps import KINDS
from herocloud.providers import registry
from herocloud.providers.registry import ProviderContext


def test_importing_the_registry_loads_no_provider() -> None:
    code = (
        "import sys, herocloud.providers.registry;"
        "print([name for name in sys.modules if 'simulator' in name or name in ('sqlite3', 'ruamel.yaml', 'pydantic')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_the_simulator_plays_every_role_that_a_step_can_ask_for(tmp_path: Path) -> None:
    context = ProviderContext(tmp_path)
    for role in {info.role for info in KINDS.values()} - {"state"}:
        registry.driver("simulator", role, context).close()
        assert "simulator" in registry.provider_names(role)


def test_the_drivers_of_an_apply_share_one_world(tmp_path: Path) -> None:
    drivers = registry.Drivers(ProviderContext(tmp_path))
    assert drivers("simulator", "images") is drivers("simulator", "hypervisor")
    drivers.close()
    drivers.close()


@pytest.mark.parametrize(
    ("name", "code", "hint"),
    [
        ("cloud-hypervisor", "provider-unsupported", None),
        ("simulater", "provider-unknown", "did you mean `simulator`?"),
        ("xyz", "provider-unknown", None),
    ],
)
def test_a_provider_that_is_not_there_is_refused(tmp_path: Path, name: str, code: str, hint: str | None) -> None:
    context = ProviderContext(tmp_path)
    for attempt in (
        lambda: registry.driver(name, "hypervisor", context),
        lambda: registry.observers([name], context),
        lambda: registry.planning(name),
    ):
        with pytest.raises(Refused) as raised:
            attempt()
        assert [(one.code, one.hint) for one in raised.value.diagnostics] == [(code, hint)]


def test_a_role_that_a_provider_does_not_play_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="and not `state`"):
        registry.driver("simulator", "state", ProviderContext(tmp_path))


def test_every_hypervisor_of_the_stack_file_is_known() -> None:
    assert registry.known_hypervisors() == {"simulator": True, "qemu": True, "cloud-hypervisor": False}
    assert registry.planning("simulator").NAME == "simulator"


def test_availability_is_told_with_its_reason(tmp_path: Path) -> None:
    told = registry.available(ProviderContext(tmp_path))
    assert told["simulator"] == (True, "ready; there is no simulated world yet")
    assert told["cloud-hypervisor"] == (False, "not supported by this version yet")
    registry.driver("simulator", "images", ProviderContext(tmp_path)).close()
    assert registry.available(ProviderContext(tmp_path))["simulator"] == (True, "ready")
    assert registry.available()["simulator"].usable


def test_a_module_that_another_thread_is_importing_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_provider").mkdir()
    (tmp_path / "slow_provider" / "planning.py").write_text(
        "import threading\nbegun = threading.Event()\nbegun.set()\nthreading.Event().wait(0.3)\nready = True\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(registry.PROVIDERS, "slow", registry._Entry("slow_provider", ("hypervisor",), hypervisor=True))
    first = threading.Thread(target=registry.planning, args=("slow",))
    first.start()
    while "slow_provider.planning" not in sys.modules or not hasattr(sys.modules["slow_provider.planning"], "begun"):
        first.join(0.001)
    assert registry.planning("slow").ready
    first.join()
    for name in ("slow_provider.planning", "slow_provider"):
        sys.modules.pop(name, None)


def test_what_a_host_lacks_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from herocloud.providers.qemu import firmware, proving

    monkeypatch.setattr(proving, "find_share_daemon", lambda: None)
    monkeypatch.setattr(firmware, "find", lambda: None)
    assert registry.lacking("qemu") == [
        ("shares", "the program virtiofsd is missing; install the package virtiofsd"),
        ("disks that start by UEFI only", "this host has no firmware for that; install the package ovmf"),
    ]
    monkeypatch.setattr(proving, "find_share_daemon", lambda: "/usr/libexec/virtiofsd")
    monkeypatch.setattr(firmware, "find", lambda: (Path("code"), Path("variables")))
    assert registry.lacking("qemu") == registry.lacking("simulator") == registry.lacking("network") == []
