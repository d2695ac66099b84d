"""The official YAML suite, where it is at hand: nothing is misread, and what is refused on purpose is what the documentation lists."""

import functools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from herocloud.kits.yaml import reader
from herocloud.kits.yaml.tree import Unreadable

_PAGE = Path(__file__).parents[2] / "docs" / "stack-file.md"
_PLACES = (os.environ.get("HEROCLOUD_YAML_SUITE", ""), "/usr/share/yaml-test-suite")


class _Case(NamedTuple):
    name: str
    text: str
    value: Any
    """Nothing for a text that is not valid YAML."""


def _suite() -> Path | None:
    return next((Path(place) / "src" for place in _PLACES if place and (Path(place) / "src" / "229Q.yaml").exists()), None)


pytestmark = pytest.mark.skipif(
    _suite() is None, reason="the YAML suite is missing: set HEROCLOUD_YAML_SUITE to a checkout of yaml/yaml-test-suite on GitHub"
)


def _plain(text: str) -> str:
    """Turn the suite's visible signs into the characters that they stand for."""
    text = re.sub("—*»", "\t", text)
    for sign, character in (("␣", " "), ("←", "\r"), ("⇔", "\ufeff"), ("↵", ""), ("∎\n", "")):
        text = text.replace(sign, character)
    return text


def _read(path: Path) -> Iterator[_Case]:
    before: dict[str, Any] = {}
    cases = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - the base loader makes texts only.
    for number, case in enumerate(cases):
        # A later case of a file repeats what it does not say.
        before = {**{key: value for key, value in before.items() if key != "fail"}, **case}
        name = path.stem if len(cases) == 1 else f"{path.stem}/{number:02}"
        if before.get("fail"):
            yield _Case(name, _plain(before["yaml"]), None)
            continue
        try:
            value = json.loads(before.get("json", ""))
        except ValueError:
            continue  # Several documents, or a value that JSON cannot say.
        if isinstance(value, dict):
            yield _Case(name, _plain(before["yaml"]), value)


@functools.cache
def _cases() -> list[_Case]:
    folder = _suite()
    return [] if folder is None else [case for path in sorted(folder.glob("*.yaml")) for case in _read(path)]


def _verdict(case: _Case) -> Any:
    try:
        return reader.read_tree(case.text).value
    except Unreadable:
        return Unreadable


def _documented() -> set[str]:
    section = _PAGE.read_text(encoding="utf-8").split("\n## YAML that is refused\n")[1].split("\n## ")[0]
    return {name for row in re.findall(r"^\|[^|]*\|[^|]*\|([^|]*)\|$", section, re.MULTILINE) for name in re.findall("`([^`]+)`", row)}


def test_no_valid_mapping_is_misread() -> None:
    valid = [case for case in _cases() if case.value is not None]
    assert len(valid) > 100
    assert [case.name for case in valid if _verdict(case) not in (case.value, Unreadable)] == []


def test_what_is_refused_is_what_the_documentation_lists() -> None:
    refused = {case.name for case in _cases() if case.value is not None and _verdict(case) is Unreadable}
    assert refused == _documented()


def test_what_is_not_yaml_gives_a_diagnostic_or_a_value_and_never_another_exception() -> None:
    invalid = [case for case in _cases() if case.value is None]
    assert len(invalid) > 80
    accepted = [case.name for case in invalid if isinstance(_verdict(case), dict)]
    # libyaml forgives indentation inside of brackets and quotes, and a comment without a blank before it: none can be meant differently.
    assert accepted == ["9C9N", "DK95/01", "QB6E", "S98Z", "SU5Z", "X4QW"]
