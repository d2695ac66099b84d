"""The page `Your first provider` is followed in a copy of the tree: a package, a line and what is written again, and every test agrees."""

import filecmp
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
NOT_COPIED = (".git", ".venv", "build", "dist", "__pycache__", ".*cache", "*.egg-info")
PROVIDER = Path("herocloud/providers/dictionary/__init__.py")
REGISTRY = Path("herocloud/providers/registry.py")
WRITTEN_AGAIN = {
    Path("openrpc.json"),
    Path("docs/schemas/stack.schema.json"),
    Path("herocloud/stack/fields/shapes.json"),
    Path("herocloud/rpc/client/async_methods.py"),
    Path("herocloud/rpc/client/sync_methods.py"),
}
AGREE = {
    "commands and the daemon use it": ["tests/providers/contract/test_first_provider.py"],
    "it keeps the contract": [
        "tests/providers/contract/test_every_provider.py",
        "tests/providers/contract/test_what_is_cut_off.py",
        "-k",
        "dictionary",
    ],
    "the registry is as it was": ["tests/providers/test_registry.py"],
    "the page is what was followed": ["tests/providers/contract/test_the_page.py"],
    "nobody else names providers": ["tests/project/test_provider_facts.py"],
    "the layers hold": ["tests/project/test_layers.py", "tests/project/test_one_planner.py"],
    "the house is as it was": [
        "tests/project/test_architecture_page.py",
        "tests/project/test_module_names.py",
        "tests/project/test_module_sizes.py",
        "tests/project/test_module_summaries.py",
    ],
    "what is published names it": [
        "tests/stack/test_schema.py",
        "tests/stack/test_gating.py::test_the_table_is_made_of_the_models",
        "tests/rpc/test_document.py::test_the_checked_in_document_is_what_the_methods_say",
        "tests/rpc/test_client.py::test_the_checked_in_client_is_what_the_document_says",
    ],
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the tree in which the steps of the page were done."""
    if (REPOSITORY / PROVIDER).exists():
        pytest.skip("the provider of the page is in this tree already")
    made = tmp_path_factory.mktemp("tree") / "copy"
    shutil.copytree(REPOSITORY, made, ignore=shutil.ignore_patterns(*NOT_COPIED), symlinks=True)
    (made / ".venv").symlink_to(REPOSITORY / ".venv")
    shutil.copytree(Path(__file__).parent / "first_provider" / "dictionary", made / PROVIDER.parent, ignore=shutil.ignore_patterns("__py*"))
    lines = (made / REGISTRY).read_text(encoding="utf-8")
    (made / REGISTRY).write_text(lines.replace("\n]\n", '\n    "herocloud.providers.dictionary",\n]\n', 1), encoding="utf-8")
    ran = _python(made, "-m", "herocloud.rpc.methods.generation", str(made))
    assert ran.returncode == 0, ran.stderr
    return made


def _python(tree: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HEROCLOUD_", "PYTEST_", "PYTHON"))}
    environment |= {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *words], cwd=tree, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def test_nothing_is_touched_but_the_line_and_what_is_written_again(copy: Path) -> None:
    found = {path.relative_to(copy) for path in copy.rglob("*") if path.is_file() and ".venv" not in path.relative_to(copy).parts}
    mine = {path for path in found if "__pycache__" not in path.parts and path.parts[0] != "build"}
    changed = {path for path in mine if not (REPOSITORY / path).exists() or not filecmp.cmp(REPOSITORY / path, copy / path, shallow=False)}
    assert changed == {PROVIDER, REGISTRY, *WRITTEN_AGAIN}


@pytest.mark.parametrize("words", AGREE.values(), ids=AGREE)
def test_every_test_agrees(copy: Path, words: list[str]) -> None:
    ran = _python(copy, "-m", "pytest", "-n0", "-q", *words)
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    assert " passed" in ran.stdout
