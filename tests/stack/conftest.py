"""A folder with the files that stacks of these tests name, and a loader that works in it."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from herocloud.model.worlds import Desired
from herocloud.stack import load as stacks
from herocloud.stack.load import Loaded
from tests.stack import making as _making
from tests.stack import mistakes as _mistakes


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for a `mistake` every one of them."""
    if "mistake" in metafunc.fixturenames:
        metafunc.parametrize("mistake", _mistakes.MISTAKES, ids=[mistake.name for mistake in _mistakes.MISTAKES])


@pytest.fixture(scope="session")
def making() -> ModuleType:
    """Hosts, and diagnostics as text."""
    return _making


@pytest.fixture(scope="session")
def mistakes() -> ModuleType:
    """A sound stack, and edits that each make one mistake."""
    return _mistakes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which the test runs, with a kernel, user data and a folder to share."""
    _mistakes.prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def load(folder: Path) -> Callable[..., Loaded]:
    """Write one text, or several by name, and load them as one stack."""

    def run(text: str | dict[str, str], **options: Any) -> Loaded:
        texts = {"stack.yaml": text} if isinstance(text, str) else text
        for name, content in texts.items():
            (folder / name).write_text(content, encoding="utf-8")
        return stacks.load(list(texts), **{"host": _making.host(), **options})

    return run


@pytest.fixture
def sound(load: Callable[..., Loaded]) -> Callable[..., Desired]:
    """Load a text that has to be without a mistake."""

    def run(text: str | dict[str, str], **options: Any) -> Desired:
        loaded = load(text, **options)
        assert loaded.diagnostics == (), "\n".join(map(_making.told, loaded.diagnostics))
        assert loaded.desired is not None
        return loaded.desired

    return run


@pytest.fixture
def codes(load: Callable[..., Loaded]) -> Callable[..., list[tuple[int, str]]]:
    """Load a text and return line and code of each diagnostic."""

    def run(text: str | dict[str, str], **options: Any) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = _making.codes(load(text, **options))
        return found

    return run
