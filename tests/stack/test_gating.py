"""The short way of validation says what the models say, or nothing."""

import random
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from herocloud.stack import combining, gating, reading, validating
from herocloud.stack.fields import shapes
from herocloud.stack.findings import Findings

_VALUES = (
    None, [], {}, 5, -1, 0, 10**30, True, False, "x", "", [1], ["s5"], {"a": "b"}, 1.5, "s5", "4 GiB", "0 GiB", "4G", "1 Gbit/s",
    "\ud800", "é",
    "a\nb",    [None], {"a": None}, [[1]], [{}], float("nan"), {"network": "lan"}, {1: 2}, "bridge", "auto", "no", "running", "ab" * 300,
    reading.read_tree("0x1f").value, reading.read_tree("1.10").value, reading.read_tree("007").value,
)  # fmt: skip


def _places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*path, key))


def _mangle(tree, dice: random.Random):
    """Put something else somewhere, take something out, or add a key."""
    tree = validating.unshare(tree)
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
    return validating.validate(model, tree, found), found.items


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9))
def test_what_passes_comes_out_as_the_models_return_it(seed, mistakes, making) -> None:
    dice = random.Random(seed)
    tree = _mangle(reading.read_tree(mistakes.SOUND).value, dice)
    try:
        read = gating.read("StackFile", tree)
    except gating.Doubtful:
        return
    judged, wrong = _judged("StackFile", tree)
    assert wrong == []
    assert making.same(read, judged)


def test_a_stack_that_says_everything_passes(mistakes, making) -> None:
    # Its expressions stand where numbers belong; they are gone before anything is validated.
    text = re.sub(r'"\{\{ (fronts|pets) \}\}"', "2", mistakes.SOUND)
    tree = reading.read_tree(combining.decode(text.encode())).value
    assert making.same(gating.read("StackFile", tree), _judged("StackFile", tree)[0])


@pytest.mark.parametrize("value", _VALUES, ids=repr)
@pytest.mark.parametrize("name", sorted(gating._TABLE["blocks"]))
def test_every_value_in_every_field_has_one_verdict(name, value, making) -> None:
    model = shapes._models()[name]
    for key, field in model.model_fields.items():
        tree = {field.alias or key: value}
        try:
            read = gating.read(name, tree)
        except gating.Doubtful:
            continue
        assert making.same(read, validating.dump(model.model_validate(tree))), tree


def test_the_table_is_made_of_the_models() -> None:
    assert shapes.FILE.read_text(encoding="utf-8") == shapes.render(), "run: python -m herocloud.stack.fields.shapes"


def test_mistakes_reach_the_models() -> None:
    found = Findings()
    assert gating.validate("StackFile", {"stack": "shop", "vms": {"web": {"vcpus": "4"}}}, found) == {"stack": "shop", "vms": {"web": {}}}
    assert [one.code for one in found.items] == ["wrong-type"]
