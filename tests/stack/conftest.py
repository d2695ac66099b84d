"""A folder with the files that stacks of these tests name, and a loader that knows it."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.hosts import Host, Slice
from herocloud.model.ids import slice_sid
from herocloud.stack import loading
from herocloud.stack.loading import Loaded

GIB = 1024**3


def make_host(slices: int = 63, *, cpus: int = 64, simulated: bool = True, name: str = "node1") -> Host:
    memory, disk = (slices * 4 + 1) * GIB, slices * 128 * GIB
    all_slices = tuple(Slice(slice_sid(number + 1), 4 * GIB, 128 * GIB) for number in range(slices))
    return Host(name, memory, disk, disk, cpus, all_slices, simulated=simulated)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which the test runs, with a kernel, user data and a folder to share."""
    (tmp_path / "vmlinuz").write_text("kernel")
    (tmp_path / "init.yaml").write_text("#cloud-config\n")
    (tmp_path / "shared").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


Load = Callable[..., Loaded]


@pytest.fixture
def load(folder: Path) -> Load:
    """Write one text or several by name, and load them all."""

    def run(text: str | dict[str, str], **options: Any) -> Loaded:
        texts = {"stack.yaml": text} if isinstance(text, str) else text
        for name, content in texts.items():
            (folder / name).write_text(content, encoding="utf-8")
        return loading.load(list(texts), **{"host": make_host(), **options})

    return run


@pytest.fixture
def desired(load: Load) -> Callable[..., Any]:
    """Load a text that has no mistake."""

    def run(text: str | dict[str, str], **options: Any) -> Any:
        loaded = load(text, **options)
        assert loaded.diagnostics == (), [told(found) for found in loaded.diagnostics]
        assert loaded.desired is not None
        return loaded.desired

    return run


def told(found: Diagnostic) -> str:
    """Write a diagnostic as one line."""
    place = f"{found.place.line}:{found.place.column}" if found.place else "-"
    return f"{place} {found.code}: {found.detail}" + (f" ({found.hint})" if found.hint else "")


def codes(loaded: Loaded) -> list[tuple[int, str]]:
    """Return line and code of each diagnostic."""
    return sorted((found.place.line if found.place else 0, found.code) for found in loaded.diagnostics)


@pytest.fixture(autouse=True)
def _short_paths() -> Iterator[None]:
    """Let test modules of this folder import one another: the import mode of the suite makes no package of it."""
    here = str(Path(__file__).parent)
    sys.path.insert(0, here)
    yield
    sys.path.remove(here)
