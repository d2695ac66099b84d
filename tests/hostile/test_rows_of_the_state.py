"""A row of the state that holds no record stops its own stack, with a way out; everything else goes on."""

import contextlib
import json
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.world

BLOG = """\
stack: blog
images:
  tiny: {source: "https://example.org/tiny.raw", unpinned: true, format: raw}
vms:
  c: {image: tiny}
"""

SPEC, PARTS, NEEDS = 4, 5, 9


def _with(place: int, value: object) -> Callable[[list[Any]], Any]:
    return lambda body: [*body[:place], value, *body[place + 1 :]]


def _spec(**more: object) -> Callable[[list[Any]], Any]:
    return lambda body: [*body[:SPEC], {**body[SPEC], **more}, *body[SPEC + 1 :]]


SHAPES: dict[str, Callable[[list[Any]], Any]] = {
    "a number": lambda _: 5,
    "nothing": lambda _: None,
    "a text": lambda _: "record",
    "an object": lambda body: {"spec": body[SPEC]},
    "an empty list": lambda _: [],
    "too short": lambda body: body[:5],
    "too long": lambda body: [*body, *body],
    "another address": _with(1, "vm.z"),
    "another stack": _with(0, "blog"),
    "a kind that it is not": _with(2, "volume"),
    "a provider that is a number": _with(3, 7),
    "a spec that is a list": _with(SPEC, []),
    "a spec that is empty": _with(SPEC, {}),
    "parts that are a text": _with(PARTS, "power"),
    "needs that are nothing": _with(NEEDS, None),
    "needs of numbers": _with(NEEDS, [1]),
    "slices that are a number": _spec(slices=5),
    "slices of numbers": _spec(slices=[1]),
    "memory that is a text": _spec(memory="4 GiB"),
    "networks that are a text": _spec(networks="lan"),
    "a network that is a number": _spec(networks=[5]),
    "a disk without a size": _spec(root_disk={}),
    "cpu that is nothing": _spec(cpu=None),
    "secrets of texts": _spec(secrets={"a": "b"}),
}


@pytest.fixture
def two(shop: Any) -> Any:
    shop.write(BLOG, "blog.yaml")
    shop.done("apply", "-y", "-q", "-f", "blog.yaml")
    return shop


@pytest.mark.parametrize("name", SHAPES)
def test_one_bad_row_stops_one_stack(two: Any, with_row: Any, name: str) -> None:
    with_row("vm.a", SHAPES[name])
    own = two("plan")
    assert (own.code, "A record cannot be read" in own.err, "defect" in own.err) == (1, True, False), own.both
    for words in (
        ("plan", "-f", "blog.yaml"),
        ("apply", "-y", "-f", "blog.yaml"),
        ("vm", "list"),
        ("state", "list"),
        ("drift",),
        ("state", "log"),
        ("show",),
    ):
        ran = two(*words)
        assert (ran.code, "defect" in ran.err) == (0, False), ran.both
    assert "vm.c" in two("vm", "list", "--stack", "blog").out


def test_the_row_keeps_its_slice_and_is_no_orphan(two: Any, with_row: Any) -> None:
    with contextlib.closing(sqlite3.connect(two.data_folder / "state.db")) as state:
        (sid,) = state.execute("SELECT sid FROM assignments WHERE address = 'vm.a'").fetchone()
    with_row("vm.a", lambda _: {})
    two.write(BLOG.replace("vms:", f"vms:\n  d: {{image: tiny, slice: {sid}}}"), "blog.yaml")
    assert two("plan", "-f", "blog.yaml").code != 0
    assert json.loads(two.done("state", "gc", "-y", "--json").out)["orphans"] == []


def test_the_way_out_that_is_named_works(two: Any, with_row: Any) -> None:
    with_row("vm.a", lambda _: {"what": "is this"})
    assert two("vm", "show", "a").code == 1
    two.done("state", "rm", "vm.a", "--stack", "shop")
    assert two("plan", "-f", "blog.yaml").code == 0
    two.done("state", "adopt", "vm.a", "--stack", "shop", "-y")
    assert "No changes." in two.done("plan").out
    assert "record" not in two.done("plan").err


def test_text_that_is_not_json_is_such_a_row(two: Any) -> None:
    with contextlib.closing(sqlite3.connect(two.data_folder / "state.db")) as state, state:
        state.execute("UPDATE records SET body = '], [' WHERE address = 'vm.a' AND until IS NULL")
    assert "A record cannot be read" in two("plan").err
    assert two("plan", "-f", "blog.yaml").code == 0


@pytest.mark.parametrize(
    "order",
    [
        "UPDATE outputs SET value = '{'",
        "UPDATE applies SET reserved = '{}', status = 'interrupted'",
        "UPDATE applies SET holder = '[]', status = 'interrupted'",
        "UPDATE applies SET approved = 'whatever', status = 'interrupted'",
        "UPDATE pieces SET body = x'00'",
        "UPDATE durations SET seconds = -1",
        "UPDATE world SET slices = -5",
    ],
)
def test_other_tables_with_nonsense_are_no_defect(two: Any, order: str) -> None:
    with contextlib.closing(sqlite3.connect(two.data_folder / "state.db")) as state, state:
        state.execute("INSERT OR REPLACE INTO outputs VALUES ('shop', 'x', '1')")
        state.execute(order)
    for words in (("plan",), ("drift",), ("vm", "list"), ("state", "list"), ("resume", "--no-input"), ("undo", "--no-input")):
        ran = two(*words)
        assert "defect" not in ran.err, ran.both
        assert "Traceback" not in ran.err, ran.both
