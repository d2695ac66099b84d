"""What plain scalars, anchors and merge keys mean: the core schema of YAML 1.2."""

import pytest

from herocloud.kits.yaml import reader, scalars


def _read(text: str):
    return reader.read_tree(text).value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"), ("yes", "yes"), ("no", "no"), ("off", "off"), ("y", "y"), ("true", True), ("False", False),
        ("null", None), ("~", None), ("", None), ("0o17", 15), ("0x1f", 31), ("017", 17), ("-5", -5), ("+3", 3),
        ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5), (".inf", float("inf")), ("52:54:00:12:34:56", "52:54:00:12:34:56"),
        ("1_000", "1_000"), ("0b11", "0b11"), ("2026-01-02", "2026-01-02"), ("1.2.3", "1.2.3"), ("'5'", "5"),
        ('"true"', "true"), ("!!str 5", "5"), ("!!int '5'", 5), ("-", None), ("1:30", "1:30"),
    ],
)  # fmt: skip
def test_a_scalar_means_what_yaml_1_2_says(text, value) -> None:
    if text == "-":
        assert _read("a:\n- ")["a"] == [value]
    else:
        assert _read(f"a: {text}")["a"] == value


@pytest.mark.parametrize("text", ["1.10", "007", "0x1F", "1e3", "+5"])
def test_a_number_remembers_how_it_was_written(text) -> None:
    assert scalars.as_text(_read(f"a: {text}")["a"]) == text


def test_an_explicit_key_wins_over_a_merged_one_wherever_it_stands() -> None:
    assert _read("x: &x {a: 1, b: 1}\ny: {b: 2, <<: *x}\nz: {<<: *x, b: 3}")["y"] == {"a": 1, "b": 2}
    assert _read("x: &x {a: 1, b: 1}\nz: {<<: *x, b: 3}")["z"] == {"a": 1, "b": 3}


def test_of_several_merged_mappings_the_first_wins() -> None:
    assert _read("x: &x {a: 1}\ny: &y {a: 2, b: 2}\nz: {<<: [*x, *y]}")["z"] == {"a": 1, "b": 2}


def test_a_quoted_merge_sign_is_a_key_like_any_other() -> None:
    assert _read('a: {"<<": 1}') == {"a": {"<<": 1}}


def test_keys_are_texts_as_they_are_written() -> None:
    assert _read("1: a\ntrue: b\nnull: c") == {"1": "a", "true": "b", "null": "c"}


def test_an_anchor_may_be_redefined() -> None:
    assert _read("a: &x 1\nb: *x\nc: &x 2\nd: *x") == {"a": 1, "b": 1, "c": 2, "d": 2}


def test_a_version_directive_does_not_change_the_rules() -> None:
    assert _read("%YAML 1.1\n---\na: yes") == {"a": "yes"}


def test_instances_in_brackets_need_no_quotes() -> None:
    assert _read("a: {vm: web[0], port: 80}\nb: [web[1], db]\nc: web[2]") == {
        "a": {"vm": "web[0]", "port": 80},
        "b": ["web[1]", "db"],
        "c": "web[2]",
    }


def test_places_stay_right_where_instances_are_not_quoted() -> None:
    tree = reader.read_tree("a: {vm: web[0], port: 80}", track=True)
    spot = tree.spots.of(tree.value["a"])["port"]
    assert (spot.start.line, spot.start.column) == (0, 22)


def test_reading_with_places_gives_the_same_values(mistakes) -> None:
    assert reader.read_tree(mistakes.SOUND, track=True).value == reader.read_tree(mistakes.SOUND).value


def test_the_pure_parser_gives_the_same_values(mistakes, monkeypatch) -> None:
    import yaml

    expected = _read(mistakes.SOUND)
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    assert _read(mistakes.SOUND) == expected
