"""Modules stay small: the style guide's numbers, measured."""

import statistics
from collections.abc import Sequence
from pathlib import Path

LIMIT = 400


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def _is_generated(path: Path) -> bool:
    # Nobody reads or edits these; they are as long as what they are made from.
    return path.read_text(encoding="utf-8").partition("\n")[0].endswith('not edited by hand."""')


def test_no_module_is_past_the_limit(modules: Sequence[Path], root: Path) -> None:
    long = {str(path.relative_to(root)): _lines(path) for path in modules if _lines(path) > LIMIT and not _is_generated(path)}
    assert not long, f"look for the second concern in {long}"


def test_the_median_module_is_near_150_lines(modules: Sequence[Path]) -> None:
    sizes = [_lines(path) for path in modules if path.name != "__init__.py"]
    assert 75 <= statistics.median(sizes) <= 190


def test_no_module_is_named_after_nothing(modules: Sequence[Path]) -> None:
    empty = {"util", "utils", "manager", "managers", "helper", "helpers", "base", "common", "misc", "core"}
    named = [path for path in modules if path.stem in empty or path.parent.name in empty]
    assert not named


def test_every_package_says_in_its_docstring_what_lives_there(modules: Sequence[Path]) -> None:
    import ast

    for path in modules:
        if path.name == "__init__.py":
            said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            assert len(said.split()) >= 8, f"{path} says too little: {said!r}"
