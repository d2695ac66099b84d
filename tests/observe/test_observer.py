"""One look through all providers, merged by address; a provider that cannot look is named."""

from pathlib import Path
from typing import Any

import pytest

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Permanent, Refused
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Observed, Thing
from herocloud.observe import observer
from herocloud.providers import registry
from herocloud.providers.seam import ProviderContext
from herocloud.providers.simulator import world

SHOP = StackName("shop")
VM = Address("vm.web")


def _look(provider: str, lineage: str | None = None, **parts: Any) -> Observed:
    return Observed({SHOP: {VM: Thing(SHOP, VM, provider, parts, lineage)}})


class _Blind:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def observe(self, _stacks: Any) -> Observed:
        raise self._error


def test_the_simulated_world_is_seen(tmp_path: Path) -> None:
    world.add_orphan(tmp_path, "vm.web", {"disk": {"size": 1, "path": "root.raw"}}, stack="shop")
    seen = observer.observe(ProviderContext(tmp_path), None, ["simulator", "simulator"])
    assert seen.things[SHOP][VM].parts == {"disk": {"size": 1, "path": "root.raw"}}
    assert observer.observe(ProviderContext(tmp_path), [StackName("other")], ["simulator"]).things == {}


def test_nothing_is_seen_through_no_provider(tmp_path: Path) -> None:
    assert observer.observe(ProviderContext(tmp_path), None, []) == Observed()


@pytest.mark.parametrize("turned", [False, True])
def test_parts_of_one_address_come_together_under_its_hypervisor(turned: bool) -> None:  # noqa: FBT001  (both orders)
    looks = [_look("images", "ours", disk=1), _look("qemu", None, machine=2, power="running")]
    merged = observer.merge(looks[::-1] if turned else looks)
    assert merged.things[SHOP][VM] == Thing(SHOP, VM, "qemu", {"disk": 1, "machine": 2, "power": "running"}, "ours")


def test_everything_beside_things_is_merged_too() -> None:
    merged = observer.merge(
        [
            Observed(images={"a": 1}, tombstones=10),
            Observed(images={"b": 2}, tombstones=5),
            Observed({StackName("other"): {}}),
        ]
    )
    assert merged == Observed({StackName("other"): {}}, {"a": 1, "b": 2}, 15)


def _look_through(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception) -> Refused:
    blind = registry.find("simulator")._replace(observer=lambda _context: _Blind(error))
    monkeypatch.setattr(registry, "find", lambda _name: blind)
    with pytest.raises(Refused) as raised:
        observer.observe(ProviderContext(tmp_path), None, ["simulator"])
    return raised.value


def test_a_provider_that_cannot_look_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [found] = _look_through(monkeypatch, tmp_path, Permanent("socket gone")).diagnostics
    assert (found.code, found.detail.startswith("`simulator` cannot look at the world: socket gone; ")) == ("observe-failed", True)


def test_what_a_provider_says_in_the_words_of_the_user_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = Diagnostic("scenario-invalid", "A rule does nothing", "give it one of `fail`")
    assert _look_through(monkeypatch, tmp_path, Refused([said])).diagnostics == (said,)
