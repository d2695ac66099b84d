"""YAML that libyaml alone would refuse or misread, at the command's own reader."""

import pytest

from herocloud.kits.yaml import reader
from herocloud.kits.yaml.tree import Unreadable


def _read(text: str):
    return reader.read_tree(text).value


def test_a_url_in_braces_needs_no_quotes() -> None:
    assert _read("a: {source: https://example.org/a.qcow2}") == {"a": {"source": "https://example.org/a.qcow2"}}


def test_a_stack_with_a_url_in_braces_loads(sound) -> None:
    text = "stack: a\nimages: {x: {source: https://example.org/a.qcow2, unpinned: true, format: qcow2}}\nvms: {web: {image: x}}\n"
    assert sound(text).resources[0].spec["source"] == "https://example.org/a.qcow2"


@pytest.mark.parametrize("text", ["a: |\n  x\n   ", "a: |\n  x"])
def test_a_last_line_means_the_same_with_and_without_its_end(text) -> None:
    assert _read(text) == _read(f"{text}\n")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{ ?foo: bar }", "yaml-syntax"),
        ("[a, ?foo: bar]", "yaml-syntax"),
        ("a: &an:chor b", "yaml-alias"),
        ("a: &b: {c: 1}", "yaml-syntax"),
        ("a: &b 1\n*b: 2", "yaml-alias"),
    ],
)
def test_what_readers_take_for_different_things_is_refused_with_its_place(text, code) -> None:
    with pytest.raises(Unreadable) as raised:
        _read(text)
    assert raised.value.code == code
    assert raised.value.mark is not None


@pytest.mark.parametrize("text", ["{? foo : bar}", "? foo\n: bar", "{foo: bar}", "{'?foo': bar}", "a?b: c", "x: [ok?, no?]", "x: ?y"])
def test_other_question_marks_are_left_alone(text) -> None:
    assert isinstance(_read(text), dict)


def test_an_anchor_before_a_bracket_is_a_whole_name() -> None:
    assert _read("a: [&x 1, &y]\nb: [*x,*y]\nc: {d: *x}") == {"a": [1, None], "b": [1, None], "c": {"d": 1}}
