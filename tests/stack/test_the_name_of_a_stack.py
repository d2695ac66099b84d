"""The name that a look at the records goes by is the one that a load finds, however the file is written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from herocloud.stack import declared_name, load
from tests.stack import making

REST = {
    "images": {"a": {"source": "https://example.org/a.qcow2", "unpinned": True, "format": "qcow2"}},
    "defaults": {"image": "a"},
    "description": "stack: other\n",
    "vms": {"db": {"vcpus": 2}, "stack": {}},
}
KEYS = ("stack", '"stack"', "'stack'", '"st\\x61ck"', "!!str stack", "&key stack", "? stack\n")
VALUES = ("shop", '"shop"', "'shop'", '"sh\\x6Fp"', "!!str shop", "&name shop", ">-\n  shop", "|-\n  shop", "\n  shop",
          "shop # not other", "{{ env }}")  # fmt: skip
BLANKS = ("", " ", "   ", "\t")


def _loaded(text: str, variables: tuple[str, ...] = ()) -> str | None:
    loaded = load.load(["-"], host=making.host(), stdin=text, variables=variables)
    return None if loaded.desired is None else loaded.desired.stack


def _named(text: str, variables: tuple[str, ...] = ()) -> str | None:
    return declared_name.read_name([text.encode()], host=making.host, variables=variables)


@some.composite
def _files(draw: some.DrawFn) -> str:
    rest = dict(REST)
    value = draw(some.sampled_from(VALUES))
    if value == "{{ env }}":
        value = '"{{ env }}"'
        rest["variables"] = {"env": {"default": "shop"}}
    order = draw(some.permutations(list(rest)))
    if draw(some.booleans()):
        # JSON, on one line or on many; a line of it may begin with anything.
        tree = {**{key: rest[key] for key in order[:2]}, "stack": json.loads(value) if value == '"{{ env }}"' else "shop"}
        text = json.dumps({**tree, **rest}, indent=draw(some.sampled_from([None, 0, 2])))
    else:
        key = draw(some.sampled_from(KEYS))
        line = f"{key}{draw(some.sampled_from(BLANKS))}: {value}"
        blocks = [f"{name}: {json.dumps(rest[name])}" for name in order]
        blocks.insert(draw(some.integers(0, len(blocks))), line)
        indentation = draw(some.sampled_from(["", "  "]))
        text = "\n".join(f"{indentation}{line}" for block in blocks for line in block.split("\n"))
    begin = draw(some.sampled_from(["", "---\n", "# stack: other\n", "%YAML 1.2\n---\n"]))
    return begin + text + draw(some.sampled_from(["", "\n"]))


@given(_files())
def test_a_look_at_the_records_means_the_stack_that_a_load_means(text: str) -> None:
    assert _loaded(text) in ("shop", None)
    assert _loaded(text) in (_named(text), None)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", [value for value in VALUES if "{{" not in value])
def test_every_form_loads_and_is_named(key: str, value: str) -> None:
    rest = "\n".join(f"{name}: {json.dumps(REST[name])}" for name in REST)
    assert (_loaded(f"{key}: {value}\n{rest}"), _named(f"{key}: {value}\n{rest}")) == ("shop", "shop")


@pytest.mark.parametrize(
    "stack",
    ["<<: {stack: shop}", "<<: {stack: other}\nstack: shop", "stack: shop\n<<: {stack: other}", 'stack: "{{ env }}"',
     'stack: "{{ host.name }}"'],
)  # fmt: skip
def test_merge_keys_and_expressions_are_followed(stack: str) -> None:
    declared = "variables: {env: {}}\n" if "env" in stack else ""
    variables = ("env=shop",) if declared else ()
    text = f"{stack}\n{declared}" + "\n".join(f"{name}: {json.dumps(REST[name])}" for name in REST)
    meant = "node1" if "host" in stack else "shop"
    assert (_loaded(text, variables), _named(text, variables)) == (meant, meant)


@pytest.mark.parametrize(
    "text",
    ["", "# stack: shop\n", "stack:\n", "stack: 12\n", "stack: shop.front\n", "stack: [shop]\n", "- stack: shop\n", "shop",
     "description: |\n  stack: shop\n", "{\nstack", 'stack: "{{ env }}"\nvariables: {env: {}}\n', 'stack: "{{ env }}"\n'],
)  # fmt: skip
def test_what_gives_no_name_gives_none(text: str) -> None:
    assert (_loaded(text), _named(text)) == (None, None)


def test_what_is_broken_behind_the_name_does_not_hide_it() -> None:
    assert _named("stack: shop\nvms: {web[0]: }, ]\n") == "shop"
    assert _named("moved: [{from: vm.web[1], to: vm.web[0]}]\nstack: shop\nvms: {]\n") == "shop"
