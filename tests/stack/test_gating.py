"""The short way of validation says what the models say, or nothing."""

import random
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from herocloud.kits.yaml import documents, reader
from herocloud.stack.fields import fast_validation, shapes, validation
from herocloud.stack.findings import Findings

_VALUES = (
    None, [], {}, 5, -1, 0, 10**30, True, False, "x", "", [1], ["s5"], {"a": "b"}, 1.5, "s5", "4 GiB", "0 GiB", "4G", "1 Gbit/s",
    "\ud800", "é",
    "a\nb",    [None], {"a": None}, [[1]], [{}], float("nan"), {"network": "lan"}, {1: 2}, "bridge", "auto", "no", "running", "ab" * 300,
    reader.read_tree("0x1f").value, reader.read_tree("1.10").value, reader.read_tree("007").value,
)  # fmt: skip


def _places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*path, key))


def _mangle(tree, dice: random.Random):
    """Put something else somewhere, take something out, or add a key."""
    tree = validation.unshare(tree)
    for _ in range(dice.choice([0, 1, 1, 2])):
        path = dice.choice(list(_places(tree))[1:])
        holder = tree
        for part in path[:-1]:
            holder = holder[part]
        what = dice.randrange(4)
        if what == 0:
            del holder[path[-1]]
        elif what == 1 and isinstance(holder, dict):
            holder[dice.choice(["x", "size", "max", "to", "vms", "é"])] = dice.choice(_VALUES)
        else:
            holder[path[-1]] = dice.choice(_VALUES)
    return tree


def _judged(model: str, tree):
    found = Findings()
    return validation.validate(model, tree, found), found.items


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9))
def test_what_passes_comes_out_as_the_models_return_it(seed, mistakes, making) -> None:
    dice = random.Random(seed)
    tree = _mangle(reader.read_tree(mistakes.SOUND).value, dice)
    try:
        read = fast_validation.read("StackFile", tree)
    except fast_validation.Doubtful:
        return
    judged, wrong = _judged("StackFile", tree)
    assert wrong == []
    assert making.same(read, judged)


def test_a_stack_that_says_everything_passes(mistakes, making) -> None:
    # Its expressions stand where numbers belong; they are gone before anything is validated.
    text = re.sub(r'"\{\{ (fronts|pets) \}\}"', "2", mistakes.SOUND)
    tree = reader.read_tree(documents.decode(text.encode())).value
    assert making.same(fast_validation.read("StackFile", tree), _judged("StackFile", tree)[0])


@pytest.mark.parametrize("value", _VALUES, ids=repr)
@pytest.mark.parametrize("name", sorted(fast_validation._TABLE["blocks"]))
def test_every_value_in_every_field_has_one_verdict(name, value, making) -> None:
    model = shapes._models()[name]
    for key, field in model.model_fields.items():
        tree = {field.alias or key: value}
        try:
            read = fast_validation.read(name, tree)
        except fast_validation.Doubtful:
            continue
        assert making.same(read, validation.dump(model.model_validate(tree))), tree


def test_the_table_is_made_of_the_models() -> None:
    assert shapes.FILE.read_text(encoding="utf-8") == shapes.render(), "scripts/openrpc writes it"


def test_mistakes_reach_the_models() -> None:
    found = Findings()
    assert fast_validation.validate("StackFile", {"stack": "shop", "vms": {"web": {"vcpus": "4"}}}, found) == {
        "stack": "shop",
        "vms": {"web": {}},
    }
    assert [one.code for one in found.items] == ["wrong-type"]
