"""One stack in several files."""

_A = "stack: a\nimages: {tiny: {kernel: ./vmlinuz}}\ndefaults: {image: tiny}\nmoved:\n  - {from: vm.x, to: vm.web}\n"
_B = "stack: a\nvms:\n  web: {}\n  db: {}\nmoved:\n  - {from: vm.y, to: vm.db}\n"


def test_files_of_one_stack_are_put_together(sound) -> None:
    desired = sound({"a.yaml": _A, "b.yaml": _B})
    assert [one.address for one in desired.resources] == ["image.tiny", "vm.web", "vm.db"]
    assert [(move.origin, move.target, move.place.file) for move in desired.moved] == [
        ("vm.x", "vm.web", "a.yaml"),
        ("vm.y", "vm.db", "b.yaml"),
    ]


def test_the_order_of_files_does_not_decide_what_is_known(sound) -> None:
    assert {one.address for one in sound({"b.yaml": _B, "a.yaml": _A}).resources} == {"image.tiny", "vm.web", "vm.db"}


def test_paths_start_at_the_file_that_says_them(sound, folder) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "user.yaml").write_text("inner")
    (folder / "user.yaml").write_text("outer")
    desired = sound({"a.yaml": _A, "inner/b.yaml": "stack: a\nvms: {web: {user_data: {file: ./user.yaml}}, db: {}}\n"})
    assert desired.resources[1].spec["user_data"] == "inner"
    outer = sound({"a.yaml": _A + "vms: {db: {}}\n", "inner/b.yaml": "stack: a\nvms: {web: {}}\n"})
    assert outer.folder == str(folder)


def test_paths_in_the_defaults_start_at_the_file_of_the_defaults(sound, folder) -> None:
    (folder / "inner").mkdir()
    (folder / "user.yaml").write_text("outer")
    text = _A.replace("{image: tiny}", "{image: tiny, user_data: {file: ./user.yaml}}").replace(
        "moved:\n  - {from: vm.x, to: vm.web}\n", ""
    )
    desired = sound({"a.yaml": text, "inner/b.yaml": "stack: a\nvms: {web: {}}\n"})
    assert desired.resources[1].spec["user_data"] == "outer"


def test_a_name_defined_twice_tells_both_places(load) -> None:
    (found,) = load({"a.yaml": _A + "vms:\n  web: {}\n", "b.yaml": _B}).diagnostics
    assert (found.code, found.place.file, found.place.line) == ("defined-twice", "b.yaml", 3)
    assert found.detail == "`web` is already defined at a.yaml:7:3."


def test_the_second_definition_is_looked_at_too(load) -> None:
    loaded = load({"a.yaml": _A + "vms:\n  web: {}\n", "b.yaml": _B.replace("web: {}", "web: {memory: 4G, size: big}")})
    assert [(found.code, found.place.file) for found in loaded.diagnostics] == [
        ("defined-twice", "b.yaml"),
        ("bad-size", "b.yaml"),
        ("unknown-size", "b.yaml"),
    ]


def test_another_stack_in_the_second_file_is_refused(load) -> None:
    (found,) = load({"a.yaml": _A.replace("moved:\n  - {from: vm.x, to: vm.web}\n", ""), "b.yaml": "stack: other\n"}).diagnostics
    assert (found.code, found.place.file, found.detail) == ("other-stack", "b.yaml", "This file belongs to `other`, and `a.yaml` to `a`.")


def test_every_file_says_whose_it_is(load) -> None:
    (found,) = load({"a.yaml": _A.replace("moved:\n  - {from: vm.x, to: vm.web}\n", ""), "b.yaml": "vms: {web: {}}\n"}).diagnostics
    assert (found.code, found.place.file, found.place.line) == ("missing-key", "b.yaml", 1)


def test_the_same_word_in_two_files_is_no_contradiction(sound) -> None:
    desired = sound(
        {"a.yaml": _A.replace("web", "db") + "description: x\n", "b.yaml": _B.split("moved", maxsplit=1)[0] + "description: x\n"}
    )
    assert desired.description == "x"


def test_an_empty_section_in_one_file_takes_nothing_away(sound) -> None:
    assert len(sound({"a.yaml": _A, "b.yaml": _B, "c.yaml": "stack: a\nvms:\nimages:\n"}).resources) == 3


def test_the_files_are_named_in_their_order(load) -> None:
    assert load({"b.yaml": _B, "a.yaml": _A}).files == ("b.yaml", "a.yaml")
