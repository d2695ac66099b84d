"""The JSON Schema: published as it is generated, and of one mind with the loader."""

import json
from pathlib import Path

import jsonschema
import pytest

from herocloud.kits.yaml import reader
from herocloud.stack import starter
from herocloud.stack.fields import json_schema

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(json_schema.stack_schema())
    return jsonschema.Draft202012Validator(json_schema.stack_schema())


def _value(text: str):
    return reader.read_tree(text).value


def test_the_published_schema_is_the_generated_one() -> None:
    published = (_ROOT / "docs" / "schemas" / "stack.schema.json").read_text(encoding="utf-8")
    assert json.loads(published) == json_schema.stack_schema(), "scripts/openrpc writes it"


def test_a_stack_that_says_everything_is_valid(validator, mistakes) -> None:
    assert not list(validator.iter_errors(_value(mistakes.SOUND)))


def test_the_starter_and_the_examples_are_valid(validator) -> None:
    texts = [starter.starter_stack()["stack.yaml"], *(path.read_text(encoding="utf-8") for path in (_ROOT / "stacks").glob("*/*.yaml"))]
    stacks = [text for text in texts if "\nstack:" in text]
    assert len(stacks) >= 7
    for text in stacks:
        assert not list(validator.iter_errors(_value(text)))


@pytest.mark.parametrize(
    "text",
    [
        "vms: {}", "stack: Shop", "stack: a\nvm: {}", "stack: a\nvms: {web: {vcpus: 0}}", "stack: a\nvms: {web: {memory: 4G}}",
        "stack: a\nvms: {Web: {}}", "stack: a\nvms: {web: {restart: never}}", "stack: a\nnetworks: {lan: {}}",
        "stack: a\nvms: {web: {count: two}}", "stack: a\nvolumes: {x: {size: 5}}", "stack: a\nvms: {web: {networks: [{rate: {}}]}}",
        "stack: a\nvms: {web: {mycelium: {seed: zz}}}", "stack: a\nvms: {web: {slice: [1]}}", "stack: a\nmoved: [{from: vm.a}]",
        "stack: a\nvariables: {A: {}}", "stack: a\nvms: {web: {env: {A: true}}}",
    ],
)  # fmt: skip
def test_what_the_loader_refuses_the_schema_refuses(validator, codes, text) -> None:
    assert list(validator.iter_errors(_value(text)))
    assert codes(text)


@pytest.mark.parametrize(
    "text",
    [
        'stack: a\nvms: {web: {image: tiny, count: "{{ n }}", memory: "{{ m }}", protect: "{{ p }}", ssh_keys: "{{ k }}"}}',
        "stack: a\nvms: {web: {image: tiny, networks: [lan, {network: wan}], volumes: [x], slice: s1, mycelium: true}}",
        "stack: a\nvms:\n  web:\nnetworks:\nvolumes:",
        "stack: a\nvms: {web: {image: tiny, memory: null, env: {A: 5, B: 1.5}}}",
    ],
)
def test_every_form_that_the_loader_takes_is_valid(validator, text) -> None:
    assert not list(validator.iter_errors(_value(text)))


def test_every_key_is_described() -> None:
    def check(block: dict) -> None:
        for name, field in block["properties"].items():
            assert len(field.get("description", "")) > 10, name

    whole = json_schema.stack_schema()
    check(whole)
    for name, block in whole["$defs"].items():
        if name != "Expression":
            check(block)
            assert block["additionalProperties"] is False
