"""Where the value of a variable comes from, and what it may be."""

import pytest

_HEAD = """\
stack: a
variables:
  many: {type: integer, default: 1, min: 0, max: 9}
  word: {default: x}
  flag: {type: boolean, default: false}
"""
_TAIL = 'outputs: {many: "{{ many }}", word: "{{ word }}", flag: "{{ flag }}"}\n'


def _outputs(sound, **options):
    return sound(_HEAD + _TAIL, **options).outputs


def test_a_default_is_weaker_than_the_environment_a_file_and_the_command_line(sound, folder) -> None:
    (folder / "vars.yaml").write_text("many: 3\n")
    environment = {"HEROCLOUD_VAR_many": "2"}
    assert _outputs(sound)["many"] == 1
    assert _outputs(sound, environment=environment)["many"] == 2
    assert _outputs(sound, environment=environment, var_files=["vars.yaml"])["many"] == 3
    assert _outputs(sound, environment=environment, var_files=["vars.yaml"], variables=["many=4"])["many"] == 4


def test_the_last_of_several_words_counts(sound, folder) -> None:
    (folder / "a.yaml").write_text("many: 3\n")
    (folder / "b.yaml").write_text("many: 5\n")
    assert _outputs(sound, var_files=["a.yaml", "b.yaml"], variables=["word=p", "word=q=r"]) == {"many": 5, "word": "q=r", "flag": False}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "7", 7), ("integer", "-1", -1), ("number", "1.5", 1.5), ("number", "2", 2),
        ("boolean", "true", True), ("string", "7", "7"), ("string", "true", "true"), ("string", "", ""),
        ("list", "a,b", ["a", "b"]), ("list", "[a, 'b,c']", ["a", "b,c"]), ("list", "", []),
    ],
)  # fmt: skip
def test_a_text_is_read_as_the_type_of_its_variable(sound, kind, text, value) -> None:
    desired = sound(f'stack: a\nvariables: {{v: {{type: {kind}}}}}\noutputs: {{v: "{{{{ v }}}}"}}\n', variables=[f"v={text}"])
    assert desired.outputs["v"] == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [("integer", "two"), ("integer", "1.5"), ("integer", "true"), ("boolean", "yes"), ("number", "x"), ("list", "[a, {b: c}]")],
)
def test_a_value_of_another_type_is_refused(load, kind, text) -> None:
    loaded = load(f"stack: a\nvariables:\n  v: {{type: {kind}}}\n", variables=[f"v={text}"])
    assert [(found.code, found.place.line) for found in loaded.diagnostics if found.place] == [("bad-variable", 3)]


def test_a_value_out_of_bounds_says_who_gave_it(load) -> None:
    (found,) = load(_HEAD + _TAIL, variables=["many=10"]).diagnostics
    assert (found.code, found.detail) == ("bad-variable", "The value `10` of `many` from `--var` is above its maximum, 9.")


def test_a_mistake_in_a_variable_file_points_into_that_file(load, folder) -> None:
    (folder / "vars.yaml").write_text("# values\nwrod: y\nmany: 12\n")
    loaded = load(_HEAD + _TAIL, var_files=["vars.yaml"])
    assert [(found.place.file, found.place.line, found.code, found.hint) for found in loaded.diagnostics if found.place] == [
        ("vars.yaml", 2, "unknown-variable", "did you mean `word`?"),
        ("vars.yaml", 3, "bad-variable", None),
    ]


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, "file-missing"), ("- a\n", "yaml-not-a-mapping"), ("a: [\n", "yaml-syntax"), ("many: 1\nmany: 2\n", "duplicate-key")],
)
def test_a_variable_file_that_is_none_is_told(load, folder, content, code) -> None:
    if content is not None:
        (folder / "vars.yaml").write_text(content)
    assert [found.code for found in load(_HEAD + _TAIL, var_files=["vars.yaml"]).diagnostics] == [code]


def test_options_that_name_nothing_are_told(load) -> None:
    found = load(_HEAD + _TAIL, variables=["mny=2", "novalue"]).diagnostics
    assert sorted(one.code for one in found) == ["bad-option", "unknown-variable"]


def test_an_unknown_variable_of_the_environment_is_none_of_our_business(sound) -> None:
    assert _outputs(sound, environment={"HEROCLOUD_VAR_other": "1"})["many"] == 1


def test_a_variable_without_a_value_is_missed_once_however_often_it_is_used(codes) -> None:
    text = 'stack: a\nvariables:\n  key:\n  other: {type: integer}\noutputs: {a: "{{ key }}", b: "{{ key }}-{{ other }}"}\n'
    assert codes(text) == [(3, "missing-variable"), (4, "missing-variable")]


@pytest.mark.parametrize(
    ("declaration", "code"),
    [
        ("{type: string, min: 1}", "bad-variable"), ("{type: integer, min: 5, max: 1, default: 3}", "bad-variable"),
        ("{type: int, default: 1}", "bad-choice"), ("{default: x, sensitive: true}", "sensitive-value"),
        ("{defualt: 5}", "unknown-key"), ("{type: integer, default: 1.5}", "bad-variable"), ("5", "wrong-type"),
    ],
)  # fmt: skip
def test_a_declaration_with_a_mistake_gives_one_diagnostic(codes, declaration, code) -> None:
    text = f"stack: a\nvariables:\n  v: {declaration}\n"
    assert codes(text, environment={"HEROCLOUD_VAR_v": "4"} if declaration.startswith("{type: string") else {}) == [(3, code)]


@pytest.mark.parametrize("name", ["vm", "host", "index", "Key", "a-b", "_a"])
def test_a_variable_cannot_be_called_that(codes, name) -> None:
    assert codes(f"stack: a\nvariables:\n  {name}: {{default: x}}\n") == [(3, "bad-name")]


def test_a_sensitive_value_is_refused_where_it_would_be_stored_and_never_shown(load) -> None:
    text = 'stack: a\nvariables:\n  pin: {type: integer, max: 9, sensitive: true}\noutputs: {a: "{{ pin }}"}\n'
    loaded = load(text, environment={"HEROCLOUD_VAR_pin": "123456"})
    assert {found.code for found in loaded.diagnostics} == {"bad-variable", "sensitive-value"}
    assert "123456" not in repr(loaded)
    assert "HEROCLOUD_VAR_pin" in str(loaded.diagnostics[-1].hint)
