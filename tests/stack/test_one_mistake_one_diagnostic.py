"""Each mistake gives one diagnostic, at its line, however many others there are."""

import random
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from herocloud.stack import load as stacks


def _found(text: str, folder: Path, making, mistakes) -> list[tuple[int, str]]:
    (folder / "stack.yaml").write_text(text, encoding="utf-8")
    found: list[tuple[int, str]] = making.codes(stacks.load(["stack.yaml"], host=making.host(), environment=mistakes.ENVIRONMENT))
    return found


def test_the_stack_without_mistakes_has_none(sound, mistakes) -> None:
    assert sound(mistakes.SOUND, environment=mistakes.ENVIRONMENT).stack == "shop"


def test_a_mistake_alone_gives_exactly_one_diagnostic_at_its_line(mistake, folder, making, mistakes) -> None:
    text, expected = mistakes.make([mistake])
    assert len(expected) == 1, "the edit does not fit the sound stack any more"
    assert _found(text, folder, making, mistakes) == expected


def test_every_edit_is_an_edit(mistakes) -> None:
    names = [mistake.name for mistake in mistakes.MISTAKES]
    assert len(set(names)) == len(names)
    assert all(mistake.new.count("§") == 1 for mistake in mistakes.MISTAKES)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9), many=st.sampled_from([2, 3, 12, 12, 12, 30, 73]))
def test_mistakes_together_neither_hide_nor_multiply_one_another(seed, many, folder, making, mistakes) -> None:
    drawn = random.Random(seed).sample(mistakes.MISTAKES, min(many, len(mistakes.MISTAKES)))
    text, expected = mistakes.make(drawn)
    assert _found(text, folder, making, mistakes) == expected


def test_twelve_mistakes_in_two_files_are_found_in_their_files(load, making) -> None:
    loaded = load(
        {
            "a.yaml": "stack: shop\nnetworks:\n  lan: {cidr: 10.0.0.0/33}\nsizes:\n  small: {vcpu: 1}\n",
            "b.yaml": "stack: shop\nimages:\n  tiny: {kernel: ./vmlinuz}\nvms:\n  web: {image: tny, networks: [lan], memory: 1G}\n",
        }
    )
    places = [(found.place.file, found.place.line, found.code) for found in loaded.diagnostics if found.place]
    assert places == [("a.yaml", 3, "bad-cidr"), ("a.yaml", 5, "unknown-key"), ("b.yaml", 5, "unknown-image"), ("b.yaml", 5, "bad-size")]
