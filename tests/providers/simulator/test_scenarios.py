"""Scenario files are read with their mistakes, all of them at once and each with its place."""

import re
from pathlib import Path

import pytest

from herocloud.model.errors import Refused
from herocloud.providers.simulator import scenarios

DOCUMENTED = """\
seed: 7
rules:
  - {address: "vm.web*", step: "*boot*", times: 1, fail: kernel panicked}
  - {address: vm.db, refuse: try again, times: 2}
  - {address: "volume.*", delay: 50 ms}
  - {address: vm.stuck, step: "*stop*", hang: true}
  - {address: vm.lost, vanish: true}
"""


def _load(tmp_path: Path, text: str) -> scenarios.Scenario:
    path = tmp_path / "scenario.yaml"
    path.write_text(text, encoding="utf-8")
    return scenarios.load(path)


def test_the_documented_example_reads_as_documented(tmp_path: Path) -> None:
    scenario = _load(tmp_path, DOCUMENTED)
    fail, refuse, delay, hang, vanish = (rule._replace(key="") for rule in scenario.rules)
    assert scenario.seed == 7
    assert fail == scenarios.Rule("", "vm.web*", "*boot*", 1, fail="kernel panicked")
    assert refuse == scenarios.Rule("", "vm.db", times=2, refuse="try again")
    assert delay == scenarios.Rule("", "volume.*", delay=0.05)
    assert hang == scenarios.Rule("", "vm.stuck", "*stop*", hang=True)
    assert vanish == scenarios.Rule("", "vm.lost", vanish=True)
    assert len({rule.key for rule in scenario.rules}) == 5


def test_the_page_about_the_simulator_shows_a_scenario_that_works(tmp_path: Path) -> None:
    page = (Path(scenarios.__file__).parent / "README.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"```yaml\n(seed:.+?)```", page, re.DOTALL)
    assert len(_load(tmp_path, shown).rules) == shown.count("- {")
    named = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert named == set(scenarios._KEYS)


def test_an_empty_file_is_an_empty_scenario(tmp_path: Path) -> None:
    assert _load(tmp_path, "") == scenarios.NOTHING
    assert _load(tmp_path, "rules: []") == scenarios.NOTHING


@pytest.mark.parametrize(
    ("pattern", "address", "fits"),
    [
        ("vm.web[0]", "vm.web[0]", True),
        ("vm.web[0]", "vm.web0", False),
        ("vm.web[*]", "vm.web[12]", True),
        ("vm.web?", "vm.web1", True),
        ("*", "peer.tcp://192.0.2.1:9651", True),
        ("VM.web", "vm.web", False),
    ],
)
def test_brackets_in_a_pattern_are_brackets(pattern: str, address: str, fits: bool) -> None:  # noqa: FBT001  (a column of the table)
    assert scenarios.Rule("", pattern, fail="x").matches(address, "vm.boot", "before") is fits


def test_an_edited_rule_is_another_rule_and_an_equal_one_too(tmp_path: Path) -> None:
    one, two = _load(tmp_path, "rules: [{fail: a, times: 1}, {fail: a, times: 1}]").rules
    [edited] = _load(tmp_path, "rules: [{fail: a, times: 2}]").rules
    assert len({one.key, two.key, edited.key}) == 3
    assert _load(tmp_path, "rules: [{times: 1, fail: a}]").rules[0].key == one.key


def test_every_mistake_is_reported_with_its_line(tmp_path: Path) -> None:
    text = """\
seed: seven
speed: 3
rules:
  - {adress: vm.web, fail: x}
  - {address: vm.web}
  - {delay: 50}
  - {fail: x, times: 0}
  - {hang: 1}
  - {fail: x, probability: 2}
  - {fail: x, at: noon}
  - just text
"""
    with pytest.raises(Refused) as raised:
        _load(tmp_path, text)
    found = raised.value.diagnostics
    assert sorted(one.place.line for one in found if one.place) == [1, 2, 4, 5, 6, 7, 8, 9, 10, 11]
    by_line = {one.place.line: one for one in found if one.place}
    assert by_line[4].hint == "did you mean `address`?"
    assert (by_line[4].place.column, by_line[4].snippet) == (6, "  - {adress: vm.web, fail: x}")  # type: ignore[union-attr]
    assert by_line[5].summary == "A rule does nothing"
    assert by_line[6].detail == "`50` is not a duration"
    assert by_line[2].detail == "`speed` is not one of `seed`, `rules`"


@pytest.mark.parametrize("text", ["rules: {fail: x}", "- 1", "text"])
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(Refused):
        _load(tmp_path, text)


def test_broken_yaml_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(Refused) as raised:
        _load(tmp_path, "seed: 1\nrules: [{fail: x}\n")
    [found] = raised.value.diagnostics
    assert (found.code, found.place is not None and found.place.line >= 2) == ("scenario-syntax", True)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        scenarios.load(tmp_path / "none.yaml")
