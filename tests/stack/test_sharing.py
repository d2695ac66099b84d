"""Parts that are written alike are one object in memory, and nobody can tell from what comes out."""

import random
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from herocloud.kits.yaml import reader
from herocloud.stack import load as stacks

_PIECES = (
    "5",
    "300",
    "-1",
    "true",
    "null",
    "x",
    "007",
    "1.10",
    "'5'",
    "'true'",
    "[300, x]",
    "{a: 300}",
    "{a: '300'}",
    "[]",
    "{}",
    "[[]]",
    "[{}]",
)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_a_tree_with_shared_parts_says_what_one_without_says(seed, making) -> None:
    dice = random.Random(seed)
    text = "".join(
        f"n{number}:\n  a: {dice.choice(_PIECES)}\n  {dice.choice('bc')}: {dice.choice(_PIECES)}\n"
        f"  l: [{dice.choice(_PIECES)}, {dice.choice(_PIECES)}]\n"
        for number in range(12)
    )
    assert making.same(reader.read_tree(text).value, reader.read_tree(text, track=True).value)


def test_vms_that_are_written_alike_share_their_spec(load) -> None:
    vm = "    image: tiny\n    memory: 1 GiB\n    labels: {part: front}\n"
    loaded = load(f"stack: a\nimages: {{tiny: {{kernel: ./vmlinuz}}}}\nvms:\n  one:\n{vm}  two:\n{vm}  other:\n{vm}    vcpus: 2\n")
    one, two, other = (resource for resource in loaded.desired.resources if resource.kind == "vm")
    assert one.spec is two.spec
    assert other.spec == {**one.spec, "vcpus": 2}
    assert (one.place.line, two.place.line) == (4, 8)


def test_what_is_written_alike_in_two_files_names_files_beside_each(folder: Path) -> None:
    (folder / "vmlinuz").touch()
    for number, name in enumerate(("one", "two")):
        (folder / name).mkdir()
        (folder / name / "init.yaml").write_text(f"#cloud-config\n# {name}\n")
        images = "images: {tiny: {kernel: ../vmlinuz, nocloud: true}}\n" if number == 0 else ""
        (folder / name / "stack.yaml").write_text(f"stack: a\n{images}vms:\n  {name}: {{image: tiny, user_data: {{file: ./init.yaml}}}}\n")
    loaded = stacks.load(["one/stack.yaml", "two/stack.yaml"], host=None)
    assert loaded.desired is not None, loaded.diagnostics
    told = [resource.spec["user_data"] for resource in loaded.desired.resources if resource.kind == "vm"]
    assert told == ["#cloud-config\n# one\n", "#cloud-config\n# two\n"]
