"""Two stacks may name the same environment variable: which key is meant follows from the plan, never from which file comes first."""

from collections.abc import Callable
from pathlib import Path

import pytest

from herocloud.model.errors import Refused
from herocloud.providers.mycelium import arithmetic, key_references, keyring

ONE, TWO, THREE = (bytes([number]) * 32 for number in (1, 2, 3))
NAMED = {"env": "OVERLAY_KEY"}


def _subnet(private: bytes) -> str:
    return arithmetic.node_subnet(arithmetic.public_key(private))


@pytest.fixture
def kept(tmp_path: Path) -> Callable[..., Path]:
    """Return what leaves a data folder behind in which the node of each stack has a key that came in the variable."""

    def make(**stacks: bytes) -> Path:
        for stack, private in stacks.items():
            folder = tmp_path / "mycelium/networks" / stack
            folder.mkdir(parents=True)
            key_references.place(tmp_path, folder, NAMED, {"OVERLAY_KEY": private.hex()})
        return tmp_path

    return make


@pytest.mark.parametrize("private", [ONE, TWO])
def test_without_the_variable_the_key_that_was_planned_is_found(kept: Callable[..., Path], private: bytes) -> None:
    data = kept(a=ONE, b=TWO)
    assert key_references.read(data, NAMED, {}, _subnet(private)) == private


@pytest.mark.parametrize("private", [ONE, TWO])
def test_a_variable_of_another_stack_is_not_taken_for_the_key_that_was_planned(kept: Callable[..., Path], private: bytes) -> None:
    data = kept(a=ONE, b=TWO)
    for there in (ONE, TWO, THREE):
        assert key_references.read(data, NAMED, {"OVERLAY_KEY": there.hex()}, _subnet(private)) == private


def test_a_new_key_comes_from_the_variable(kept: Callable[..., Path]) -> None:
    data = kept(a=ONE)
    for subnet in (None, _subnet(TWO)):
        assert key_references.read(data, NAMED, {"OVERLAY_KEY": TWO.hex()}, subnet) == TWO


def test_a_plan_does_not_guess_which_of_several_is_meant(kept: Callable[..., Path]) -> None:
    data = kept(a=ONE, b=TWO)
    with pytest.raises(Refused) as raised:
        key_references.read(data, NAMED, {})
    (found,) = raised.value.diagnostics
    assert found.code == "key-ambiguous"
    (known,) = keyring.look_up(data, [NAMED], {}).values()
    assert known.public is None
    assert "several stacks" in known.problem
    assert "OVERLAY_KEY" in (known.hint or "")


def test_several_that_are_the_same_are_one(kept: Callable[..., Path]) -> None:
    assert key_references.read(kept(a=ONE, b=ONE), NAMED, {}) == ONE


def test_one_that_does_not_fit_is_left_to_who_compares_it(kept: Callable[..., Path]) -> None:
    assert key_references.read(kept(a=ONE), NAMED, {}, _subnet(THREE)) == ONE
    with pytest.raises(Refused):
        key_references.read(kept(), {"env": "ANOTHER"}, {}, _subnet(THREE))


def test_a_placed_key_is_closed_to_others(kept: Callable[..., Path]) -> None:
    (path,) = kept(a=ONE).glob("mycelium/networks/a/*")
    assert path.stat().st_mode & 0o777 == 0o600
