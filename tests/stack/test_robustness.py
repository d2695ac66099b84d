"""Whatever is done to a file, a load ends in a stack or in diagnostics with good places, and never in an exception."""

import random
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from herocloud.stack import load as stacks
from herocloud.stack.layout import canonical

pytestmark = pytest.mark.world

_VALUES = (
    "null", "[]", "{}", "5", "-1", "true", "x", "[1]", "{a: b}", "1.5", "'{{ index }}'", "'{{ fronts }}'",
    "'{{ host.memory }}'", "*a", "&a x", "s5", "'{{ vm.db.address.lan }}'", "4 GiB", "''", "[null]", "{a: null}",
    "[[1]]", "[{}]", ".nan", "'{{'", "'}}'", "0x1f", "2026-01-01", "!!str 5", "<<",
)  # fmt: skip


def _mangle(text: str, dice: random.Random) -> str:
    lines = text.split("\n")
    for _ in range(dice.choice([1, 2, 3, 6])):
        place = dice.randrange(len(lines))
        line = lines[place]
        what = dice.randrange(5)
        words = re.findall(r"[\w.\[\]]+", line)
        if what == 0 and len(lines) > 1:
            del lines[place]
        elif what == 1 and (match := re.match(r"(\s*(?:- )?\w+:)", line)):
            lines[place] = f"{match.group(1)} {dice.choice(_VALUES)}"
        elif what == 2:
            lines.insert(place, dice.choice(lines))
        elif what == 3 and line:
            spot = dice.randrange(len(line))
            lines[place] = line[:spot] + dice.choice("{}[],:#&*!|>'\"%@`\t x0-\x07") + line[spot + 1 :]
        elif what == 4 and words:
            lines[place] = line.replace(dice.choice(words), dice.choice(_VALUES), 1)
    return "\n".join(lines)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9))
def test_a_mangled_stack_is_loaded_or_explained(seed, folder, making, mistakes) -> None:
    dice = random.Random(seed)
    text = _mangle(mistakes.SOUND, dice)
    (folder / "stack.yaml").write_text(text, encoding="utf-8")
    host = dice.choice([None, making.host(), making.host(1, cpus=1), making.host(simulated=False)])
    loaded = stacks.load(["stack.yaml"], host=host, environment=dice.choice([{}, mistakes.ENVIRONMENT]))
    assert (loaded.desired is None) == bool(loaded.diagnostics)
    for found in loaded.diagnostics:
        assert found.place is not None
        assert 1 <= found.place.line <= text.count("\n") + 1
        assert (found.place.end_line, found.place.end_column) > (found.place.line, found.place.column)
        assert found.snippet is not None


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_a_mangled_stack_keeps_its_meaning_when_it_is_formatted(seed, mistakes) -> None:
    text = _mangle(mistakes.SOUND, random.Random(seed))
    once = canonical.format_text(text)
    if once.text is not None:
        assert canonical.means_the_same(text, once.text)
        assert canonical.format_text(once.text).text == once.text


def test_no_file_at_all_is_told(making) -> None:
    assert [found.code for found in stacks.load([], host=making.host()).diagnostics] == ["file-missing"]


def test_nothing_reaches_a_terminal_that_it_would_obey(load) -> None:
    loaded = load('stack: a\n"k\\e[2J": 1\nvms: {"w\\e]0;x\\a": {image: "\\e[31m"}}\n# \u202e\n')
    assert loaded.diagnostics
    assert all(character.isprintable() or character == "\n" for character in "".join(map(str, loaded.diagnostics)))
    shown = "".join(f"{found.detail}{found.hint}{found.snippet}{found.address}" for found in loaded.diagnostics)
    assert "\x1b" not in shown
