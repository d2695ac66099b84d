"""Plans go to JSON and come back as they were."""

import json
import typing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herocloud.model import diagnostics, plan_codec, plans, steps, words

TEXT = st.text(max_size=8)
PLAIN = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6)
SPEC = st.dictionaries(TEXT, JSON, max_size=3)


def made(kind: typing.Any, **given_fields: typing.Any) -> typing.Any:
    """Draw a named tuple whose fields follow its annotations, those in `given_fields` aside."""
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{name: given_fields.get(name, drawn(hints[name])) for name in kind._fields})


def drawn(hint: typing.Any) -> typing.Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is typing.Any:
        return JSON
    if isinstance(hint, typing.NewType):
        return drawn(hint.__supertype__)
    if origin is tuple:
        return st.lists(drawn(inner[0]), max_size=2).map(tuple)
    if inner and type(None) in inner:
        return st.none() | drawn(next(one for one in inner if one is not type(None)))
    if origin is not None:
        return SPEC
    if hasattr(hint, "_fields"):
        return made(hint)
    if hint is float:
        return st.floats(0, 1e6)
    return TEXT if hint is str else st.from_type(hint) if hint is not int else st.integers(-(2**53), 2**53)


PLAN = made(plans.Plan)


@settings(max_examples=60, deadline=None)
@given(PLAN)
def test_every_plan_survives_the_way_through_json(plan: plans.Plan) -> None:
    text = json.dumps(plan_codec.encode_plan(plan))
    back = plan_codec.decode_plan(json.loads(text))
    assert back == plan
    assert json.dumps(plan_codec.encode_plan(back)) == text


def a_step(**changed: typing.Any) -> steps.Step:
    usual = {
        "id": "vm.a/vm.create",
        "address": "vm.a",
        "kind": "vm.create",
        "provider": "simulator",
        "part": "machine",
        "before": None,
        "after": {"vcpus": 1},
    }
    return steps.Step(**(usual | changed))


def test_fields_with_their_default_are_left_out() -> None:
    assert set(plan_codec.encode(a_step())) == {"id", "address", "kind", "provider", "part", "before", "after"}


def test_words_come_back_as_members_of_their_enum() -> None:
    found = diagnostics.Diagnostic("c", "s", "d", words.Severity.NOTE, place=diagnostics.Place("f", 1, 2, 3, 4))
    back = plan_codec.decode(diagnostics.Diagnostic, plan_codec.encode(found))
    assert back.severity is words.Severity.NOTE
    assert type(back.place) is diagnostics.Place


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        ({"kind": 7}, "kind: str is wanted, and here is int"),
        ({"last": 1}, "last: bool is wanted"),
        ({"takes": {"slices": True}}, "takes: slices: int is wanted, and here is bool"),
        ({"needs": "vm.b"}, "needs: a list is wanted"),
        ({"later": 1}, "a Step has no `later`"),
        ({"takes": [1]}, "a Claim is written as a mapping"),
    ],
)
def test_what_does_not_have_the_shape_is_refused_with_its_place(spoil: dict[str, object], says: str) -> None:
    with pytest.raises(plan_codec.NotFiled) as caught:
        plan_codec.decode(steps.Step, plan_codec.encode(a_step()) | spoil)
    assert says in str(caught.value)


def test_a_field_without_default_that_is_missing_is_refused() -> None:
    data = plan_codec.encode(a_step())
    del data["provider"]
    with pytest.raises(plan_codec.NotFiled, match="a Step without `provider`"):
        plan_codec.decode(steps.Step, data)


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(plan_codec.NotFiled, match="`terrible` is not a value of Severity"):
        plan_codec.decode(diagnostics.Diagnostic, {"code": "c", "summary": "s", "detail": "d", "severity": "terrible"})
