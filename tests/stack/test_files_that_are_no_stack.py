"""Files that hold something else than a stack: each gets one clear diagnostic with its place."""

import pytest
from syrupy.assertion import SnapshotAssertion

_TEXTS = {
    "empty": "",
    "blank": "\n  \n",
    "comments only": "# nothing yet\n",
    "a list": "- a\n- b\n",
    "a single value": "hello\n",
    "two documents": "stack: a\n---\nstack: b\n",
    "an unclosed bracket": "stack: a\nvms: {web: [1, 2}\n",
    "an unclosed brace": "stack: a\nvms: {web: {image: x}\nnetworks: {}\n",
    "an unclosed quote": 'stack: "a\nvms: {}\n',
    "a tab": "stack: a\nvms:\n\tweb: {}\n",
    "a colon too many": "stack: a: b\n",
    "a line without a colon": "stack: a\nvms\nnetworks: {}\n",
    "a wrong indentation": "stack: a\nvms:\n  web:\n    image: x\n   size: y\n",
    "an indicator as a value": "stack: @a\n",
    "a percent sign": "stack: %a\n",
    "an unknown escape": 'stack: "\\q"\n',
    "an unknown alias": "stack: *a\n",
    "an alias inside its anchor": "vms: &a {web: *a}\n",
    "a dangerous tag": "stack: !!python/object/apply:os.system [ls]\n",
    "a tag that does not fit": "stack: !!int a\n",
    "a merge of a text": "vms: {<<: a}\n",
    "a list as a key": "? [a]\n: b\n",
    "a control character": "stack: a\x07\n",
    "a null byte": "stack: a\x00\n",
    "a byte order mark": "\ufeffstack: a\n",
}


@pytest.mark.parametrize("name", _TEXTS)
def test_a_file_that_is_no_stack_is_explained(name, load, making, snapshot: SnapshotAssertion) -> None:
    loaded = load(_TEXTS[name])
    assert loaded.desired is None
    assert len(loaded.diagnostics) == 1
    assert making.shown(loaded) == snapshot


@pytest.mark.parametrize("content", [b"stack: \xff\n", "stack: shöp\n".encode("latin-1"), "stack: a\n".encode("utf-16")])
def test_bytes_that_are_not_utf_8_are_located(content, folder, making) -> None:
    from herocloud.stack import load as stacks

    (folder / "stack.yaml").write_bytes(content)
    (found,) = stacks.load(["stack.yaml"], host=making.host()).diagnostics
    assert found.code == "yaml-encoding"
    assert found.place is not None
    assert found.place.line == 1


def test_a_file_that_is_not_there_is_named(folder, making) -> None:
    from herocloud.stack import load as stacks

    loaded = stacks.load(["nothing.yaml", "shared"], host=making.host())
    assert [found.code for found in loaded.diagnostics] == ["file-missing", "file-missing"]
    assert loaded.files == ()


def test_standard_input_is_read_when_the_file_is_a_dash(folder, making) -> None:
    from herocloud.stack import load as stacks

    loaded = stacks.load(["-"], host=making.host(), stdin="stack: a\nvms: {web: {image: x}}\n")
    (found,) = loaded.diagnostics
    assert found.place is not None
    assert (found.place.file, found.code) == ("<stdin>", "unknown-image")
    assert loaded.files == ("<stdin>",)


def test_a_broken_file_does_not_make_the_other_one_look_wrong(load) -> None:
    loaded = load({"a.yaml": "stack: a\nimages: {x: {kernel: ./vmlinuz}\n", "b.yaml": "stack: a\nvms: {web: {image: x}}\n"})
    assert [found.code for found in loaded.diagnostics] == ["yaml-syntax"]
