"""The crash campaigns of the tests, for runs that are longer than a test may be."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

_TESTS = Path(__file__).resolve().parents[1] / "tests"


def load(name: str) -> ModuleType:
    """Import a module of the tests by its path there, which are no package: there is one campaign, and the tests run a part of it."""
    spec = importlib.util.spec_from_file_location(f"crash_{name.replace('/', '_')}", _TESTS / f"{name}.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"{_TESTS / name}.py is missing")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
