"""What holds for every provider that is registered: its declaration is true, light, and complete."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from herocloud.model.words import Impact
from herocloud.model.worlds import Observed
from herocloud.providers import drivers, registry
from herocloud.providers.seam import (
    ROLES,
    AttachmentKind,
    Card,
    Declaration,
    DiskUse,
    Driver,
    Keeper,
    Live,
    Lock,
    Observer,
    ProviderContext,
    Standing,
    Tap,
    Unsupported,
    UserNetwork,
    Verdict,
)
from tests.providers.contract.first_line import FIRST, PATHS

MIB = 1024**2
MACHINE = {
    "vcpus": 2, "max_vcpus": 4, "boot_memory": 256 * MIB, "memory": 256 * MIB, "hotplug": 256 * MIB, "volumes": [], "nics": [],
    "shares": [], "payload": None, "hugepages": False,
}  # fmt: skip
SPEC = {
    "vcpus": 2, "memory": 256 * MIB, "volumes": [], "networks": [], "mycelium": None, "shares": [],
    "root_disk": {"direct": False, "rate": None}, "cpu": {"max": 4, "affinity": None, "topology": None},
    "memory_options": {"boot": 256 * MIB, "hotplug": 256 * MIB, "hugepages": False, "mergeable": False},
    "restart": "no", "image": "debian", "user_data": None, "env": {}, "secrets": {}, "labels": {}, "image_id": {"payload": None},
}  # fmt: skip
NIC = {"network": "lan", "mac": "02:00:00:00:00:01", "address": "10.9.0.2", "tap": "hc-v1-0", "rate": None}
NETWORK = {"cidr": "10.9.0.0/24", "gateway": "10.9.0.1", "nat": True, "isolated": False, "forward": [], "bridge": "hb-1"}
CHANGES = {
    Live.VCPUS: ("vcpus", 2, 3),
    Live.MEMORY: ("memory", 256 * MIB, 384 * MIB),
    Live.DISKS: ("volumes.data", None, {"volume": "data", "readonly": False}),
    Live.NICS: ("networks.lan", None, NIC),
}
"""What a running machine with room to grow is asked for."""


@pytest.fixture(params=PATHS, ids=lambda path: path.rpartition(".")[2])
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def declaration(path: str) -> Declaration:
    return next(one for one, line in zip(registry.declarations(), registry.PROVIDERS, strict=True) if line == path)


def _methods(protocol: type) -> list[str]:
    return [name for name, member in vars(protocol).items() if inspect.isfunction(member) and not name.startswith("_")]


def test_it_is_found_by_its_name_which_is_that_of_its_package(declaration: Declaration, path: str) -> None:
    assert declaration.name.replace("-", "_") == path.rpartition(".")[2]
    assert registry.find(declaration.name) is declaration


def test_it_plays_a_role_and_is_listed_for_each(declaration: Declaration) -> None:
    assert declaration.roles
    for role in ROLES:
        assert (declaration.name in registry.names(role)) is (role in declaration.roles)


def test_its_declaration_loads_nothing_but_the_contract(path: str) -> None:
    code = (
        "import sys; from herocloud.providers import registry; before = set(sys.modules); __import__(sys.argv[1]);"
        "print(sorted(name for name in set(sys.modules) - before if name.startswith('herocloud') or '.' not in name))"
    )
    if path == FIRST:
        pytest.skip("is so short that its declaration and its work are one file")
    loaded = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True).stdout
    assert ast.literal_eval(loaded) == [path]


def test_it_says_what_it_can_do_here_and_why(declaration: Declaration, tmp_path: Path) -> None:
    standing = declaration.survey(ProviderContext(tmp_path), thorough=False)
    assert isinstance(standing, Standing)
    assert standing.why
    assert not standing.why.endswith(".")
    assert all(one.field and one.why for one in standing.lacking)


def test_its_observer_finds_nothing_where_nothing_was_made_and_leaves_nothing(declaration: Declaration, tmp_path: Path) -> None:
    observer = declaration.observer(ProviderContext(tmp_path / "data"))
    assert all(hasattr(observer, name) for name in _methods(Observer))
    seen = observer.observe(["shop"])
    assert isinstance(seen, Observed)
    assert seen.things.get("shop", {}) == {}
    assert not (tmp_path / "data").exists()


def test_its_driver_serves_its_roles_and_no_others(declaration: Declaration, tmp_path: Path) -> None:
    from herocloud.model.errors import Refused

    context = ProviderContext(tmp_path)
    for role in ROLES:
        if role in declaration.roles:
            driver = drivers.open_driver(declaration.name, role, context)
            assert all(callable(getattr(driver, name)) for name in _methods(Driver))
            driver.close()
        else:
            with pytest.raises(Refused, match=f"and not `{role}`"):
                drivers.open_driver(declaration.name, role, context)


def test_a_hypervisor_changes_live_what_it_declares_and_nothing_else(declaration: Declaration) -> None:
    role = declaration.hypervisor
    if role is None:
        pytest.skip(f"needs a provider that runs VMs, which `{declaration.name}` does not")
    planning = role.planning()
    for live, (field, before, after) in CHANGES.items():
        verdict = planning.judge(field, before, after, SPEC, MACHINE, accelerated=True)
        assert isinstance(verdict, Verdict)
        assert (verdict.impact is Impact.LIVE) is (live in role.live), f"{live}: {verdict}"
        assert verdict.impact is Impact.LIVE or verdict.why, "what costs more than a live change says why"


def test_a_hypervisor_judges_without_a_machine_and_names_what_it_lacks(declaration: Declaration) -> None:
    role = declaration.hypervisor
    if role is None:
        pytest.skip(f"needs a provider that runs VMs, which `{declaration.name}` does not")
    planning = role.planning()
    assert planning.judge("labels", {}, {"a": "b"}, SPEC, None, accelerated=False).impact is Impact.LIVE
    assert all(isinstance(one, Unsupported) for one in planning.unsupported(SPEC))
    assert role.attaches
    assert (role.channel is None) is (role.guest is None), "a guest that can be reached has an agent"
    assert role.guest is None or role.stand_in is None, "where there are guests nothing stands in for them"
    assert role.runs(Path("/nowhere"), "v1") is False


def test_a_network_hands_over_cards_of_the_kind_that_it_declares(declaration: Declaration) -> None:
    role = declaration.network
    if role is None:
        pytest.skip(f"needs a provider that makes networks, which `{declaration.name}` does not")
    kinds = {AttachmentKind.TAP: Tap, AttachmentKind.USER: UserNetwork}
    attachment = role.planning().attachment(Card("vm.web", NIC, NETWORK))
    assert isinstance(attachment.link, kinds[role.attachment])
    assert (attachment.mac, attachment.owner, attachment.addresses) == (NIC["mac"], "vm.web", (NIC["address"],))
    assert role.planning().fixed_forwards(NETWORK, NETWORK) == []


def test_some_hypervisor_carries_every_kind_of_network() -> None:
    carried = {kind for one in registry.declarations() if one.hypervisor for kind in one.hypervisor.attaches}
    assert {one.network.attachment for one in registry.declarations() if one.network} <= carried


def test_images_hand_over_disks_that_lie_in_the_data_folder(declaration: Declaration, tmp_path: Path) -> None:
    role = declaration.images
    if role is None:
        pytest.skip(f"needs a provider that makes disks, which `{declaration.name}` does not")
    part = {"path": "vms/v1/root.raw", "size": 7, "image": "debian", "source": "abc"}
    own = role.disk(tmp_path, DiskUse(part, "root"))
    shared = role.disk(tmp_path, DiskUse(part, "root", readonly=True))
    assert own.path.is_relative_to(tmp_path)
    assert (own.format, own.size, own.serial, own.readonly, own.lock) == ("raw", 7, "root", False, Lock.EXCLUSIVE)
    assert (shared.readonly, shared.lock) == (True, Lock.SHARED)
    keeper = role.keeper(ProviderContext(tmp_path))
    assert all(callable(getattr(keeper, name)) for name in _methods(Keeper))
    assert keeper.tombstones() == []
    assert keeper.drop_tombstone("nothing") is False
    keeper.close()
