"""What a person reads about each mistake."""

from syrupy.assertion import SnapshotAssertion


def test_every_mistake_is_explained_with_its_place_and_a_way_out(
    mistake, load, making, mistakes, snapshot: SnapshotAssertion, folder
) -> None:
    text, _expected = mistakes.make([mistake])
    shown = making.shown(load(text, environment=mistakes.ENVIRONMENT))
    assert shown.replace(str(folder), "<folder>") == snapshot


def test_the_caret_stands_below_the_words_that_are_wrong(load) -> None:
    loaded = load("stack: shop\nimages: {tiny: {kernel: ./vmlinuz}}\nvms:\n  web: {image: tiny, memory: 4G}\n")
    (found,) = loaded.diagnostics
    assert found.place is not None
    assert found.snippet is not None
    assert found.snippet[found.place.column - 1 : found.place.end_column - 1] == "4G"


def test_the_caret_stands_below_one_expression_of_a_longer_text(load) -> None:
    vms = "vms:\n  web:\n    image: tiny\n    user_data:\n      text: |\n        one\n        {{ twoo }}\n"
    (found,) = load("stack: shop\nimages: {tiny: {kernel: ./vmlinuz}}\n" + vms).diagnostics
    assert found.place is not None
    assert (found.place.line, found.place.column, found.place.end_column) == (9, 9, 19)


def test_columns_count_characters_and_not_bytes(load) -> None:
    (found,) = load('stack: shop\ndescription: "äöü"\noutputs: {größe: "ä", x: "{{ nope }}"}\n').diagnostics[-1:]
    assert found.place is not None
    assert found.snippet is not None
    assert found.snippet[found.place.column - 1 : found.place.end_column - 1] == "{{ nope }}"


def test_summaries_are_constant_and_details_carry_the_users_words(mistakes, load) -> None:
    from herocloud.stack.summaries import SUMMARIES

    for mistake in mistakes.MISTAKES:
        for found in load(mistakes.make([mistake])[0], environment=mistakes.ENVIRONMENT).diagnostics:
            assert found.summary == SUMMARIES[found.code]
            assert found.detail.endswith(".")


def test_the_address_of_the_resource_is_told(load) -> None:
    loaded = load("stack: shop\nvms:\n  web: {image: nope}\nvolumes:\n  data: {size: 5}\n")
    assert [found.address for found in loaded.diagnostics] == ["vm.web", "volume.data"]
