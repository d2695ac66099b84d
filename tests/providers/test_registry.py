"""Providers are found by name and loaded only when somebody needs them."""

import importlib
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from herocloud.model.errors import Refused
from herocloud.model.steps import KINDS
from herocloud.providers import drivers, registry, seam, survey
from herocloud.providers.drivers import Drivers
from herocloud.providers.seam import Lacking, ProviderContext, Standing
from herocloud.providers.vmm import virtiofs


def test_importing_the_registry_loads_no_provider() -> None:
    code = (
        "import sys, herocloud.providers.registry;"
        "print([name for name in sys.modules if 'simulator' in name or name in ('sqlite3', 'ruamel.yaml', 'pydantic')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_the_simulator_plays_every_role_that_a_step_can_ask_for(tmp_path: Path) -> None:
    context = ProviderContext(tmp_path)
    # Guests are waited for through their hypervisor.
    for role in {info.role for info in KINDS.values()} - {"state", "guest"}:
        drivers.open_driver("simulator", role, context).close()
        assert "simulator" in registry.names(role)


def test_the_drivers_of_an_apply_share_one_world(tmp_path: Path) -> None:
    opened = Drivers(ProviderContext(tmp_path))
    assert opened("simulator", "images") is opened("simulator", "hypervisor")
    opened.close()
    opened.close()


@pytest.mark.parametrize(
    ("name", "code", "hint"),
    [
        ("simulater", "provider-unknown", "did you mean `simulator`?"),
        ("xyz", "provider-unknown", None),
    ],
)
def test_a_provider_that_is_not_there_is_refused(tmp_path: Path, name: str, code: str, hint: str | None) -> None:
    context = ProviderContext(tmp_path)
    for attempt in (
        lambda: drivers.open_driver(name, "hypervisor", context),
        lambda: registry.find(name),
        lambda: registry.hypervisor(name),
    ):
        with pytest.raises(Refused) as raised:
            attempt()
        assert [(one.code, one.hint) for one in raised.value.diagnostics] == [(code, hint)]


def test_a_role_that_a_provider_does_not_play_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="and not `state`"):
        drivers.open_driver("simulator", "state", ProviderContext(tmp_path))


def test_every_hypervisor_that_is_declared_is_a_word_of_the_stack_file() -> None:
    declared = [importlib.import_module(path).DECLARATION for path in registry.PROVIDERS]
    hypervisors = [one.name for one in declared if one.hypervisor is not None]
    assert registry.names("hypervisor") == tuple(hypervisors)
    assert registry.hypervisor_names() == tuple(sorted(hypervisors))
    assert {"cloud-hypervisor", "qemu", "simulator"} <= {*hypervisors}
    assert registry.find("simulator").name == "simulator"


def test_availability_is_told_with_its_reason(tmp_path: Path) -> None:
    told = survey.standings(ProviderContext(tmp_path))
    assert told["simulator"][:2] == (True, "ready; there is no simulated world yet")
    assert set(told) >= {"cloud-hypervisor", "qemu", "images", "network", "user_network"}
    drivers.open_driver("simulator", "images", ProviderContext(tmp_path)).close()
    assert survey.standings(ProviderContext(tmp_path))["simulator"][:2] == (True, "ready")


@pytest.mark.parametrize(
    ("prover", "accelerated", "why"),
    [
        (Standing(True, "with KVM: a trial guest got through", accelerated=True), True, "v53.0 with KVM"),
        (Standing(True, "with TCG: KVM stopped it"), False, "v53.0 with KVM, but `qemu` runs with TCG: KVM stopped it"),
        (
            Standing(False, "QEMU is missing"),
            False,
            "v53.0 with KVM; whether guests get through KVM was not tried, which takes the program qemu-system-x86_64",
        ),
    ],
)
def test_kvm_is_proven_by_a_hypervisor_that_can_compare(prover: Standing, *, accelerated: bool, why: str) -> None:
    standings = {"cloud-hypervisor": Standing(True, "v53.0 with KVM", accelerated=True), "qemu": prover, "network": Standing(True, "ready")}
    proven = survey.with_kvm_proven(standings)
    assert (proven["cloud-hypervisor"].accelerated, proven["cloud-hypervisor"].why) == (accelerated, why)
    assert proven["cloud-hypervisor"].usable, "whoever names it gets it"
    assert proven["qemu"] == prover


def test_a_hypervisor_that_needs_no_kvm_and_compares_nothing_says_nothing_about_it(monkeypatch: pytest.MonkeyPatch) -> None:
    roles = {"other": seam.HypervisorRole(planning=dict, attaches=frozenset(), emulates=True)}
    real = registry.hypervisor
    monkeypatch.setattr(registry, "hypervisor", lambda name: roles.get(name) or real(name))
    monkeypatch.setattr(registry, "names", lambda _role: ("other", "cloud-hypervisor"))
    standings = {"other": Standing(True, "ready"), "cloud-hypervisor": Standing(True, "v53.0 with KVM", accelerated=True)}
    proven = survey.with_kvm_proven(standings)
    assert ", but `" not in proven["cloud-hypervisor"].why
    assert "was not tried" in proven["cloud-hypervisor"].why


def test_a_module_that_another_thread_is_importing_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_provider.py").write_text(
        "import threading\nbegun = threading.Event()\nbegun.set()\nthreading.Event().wait(0.3)\n"
        "from herocloud.providers.simulator import DECLARATION as known\nDECLARATION = known._replace(name='slow-provider')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "PROVIDERS", [*registry.PROVIDERS, "slow_provider"])
    first = threading.Thread(target=registry.find, args=("slow-provider",))
    first.start()
    while "slow_provider" not in sys.modules or not hasattr(sys.modules["slow_provider"], "begun"):
        first.join(0.001)
    assert registry.find("slow-provider").name == "slow-provider"
    first.join()
    sys.modules.pop("slow_provider", None)


def test_what_a_host_lacks_is_named_with_the_way_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from herocloud.providers.qemu import firmware, kvm_probe

    monkeypatch.setattr(kvm_probe, "find_program", lambda: "/usr/bin/qemu-system-x86_64")
    monkeypatch.setattr(kvm_probe, "accelerate", lambda _program, _wanted: kvm_probe.Acceleration("tcg", "there is no `/dev/kvm`"))
    monkeypatch.setattr(virtiofs, "find_program", lambda: None)
    monkeypatch.setattr(firmware, "find", lambda: None)
    assert _lacking("qemu", tmp_path) == [
        ("shares", "the program virtiofsd is missing; install the package virtiofsd"),
        ("disks that start by UEFI only", "this host has no firmware for that; install the package ovmf"),
    ]
    monkeypatch.setattr(virtiofs, "find_program", lambda: "/usr/libexec/virtiofsd")
    monkeypatch.setattr(firmware, "find", lambda: (Path("code"), Path("variables")))
    assert _lacking("qemu", tmp_path) == _lacking("simulator", tmp_path) == _lacking("network", tmp_path) == []


def _lacking(name: str, folder: Path) -> list[Lacking]:
    return list(registry.find(name).survey(ProviderContext(folder), thorough=True).lacking)
