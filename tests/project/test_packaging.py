"""A wheel built from the checkout works in an environment that has never seen the checkout."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

_NO_WAY_OUT = (
    "No matching distribution",
    "Could not find a version",
    "Temporary failure",
    "ConnectionError",
    "NewConnectionError",
    "Max retries",
)

STACK = """\
stack: shop
images:
  tiny: {source: "https://images.example.org/tiny.qcow2", unpinned: true, format: qcow2}
vms:
  web: {count: 2, image: tiny, memory: 1 GiB}
"""


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    builder = "from hatchling import build; import sys; print(build.build_wheel(sys.argv[1]))"
    ended = subprocess.run([sys.executable, "-c", builder, str(folder)], cwd=root, capture_output=True, text=True, check=True)
    return folder / ended.stdout.split()[-1]


def test_the_wheel_carries_the_files_from_the_root_of_the_repository(wheel: Path, root: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    templates = [path.relative_to(root) for path in (root / "report_templates").rglob("*") if path.is_file()]
    assert templates
    assert {f"herocloud/_shipped/{path.as_posix()}" for path in templates} <= names
    assert "herocloud/_shipped/openrpc.json" in names
    assert "herocloud/py.typed" in names


def test_the_wheel_carries_nothing_but_the_product(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top.split("-")[0] for top in tops} == {"herocloud"}
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if "__pycache__" in name or "/tests/" in name]


@pytest.fixture(scope="module")
def installed(wheel: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel and the locked runtime packages, and nothing else, into an environment of its own."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--retries", "1"]
    locked = [*pip, "--require-hashes", "--requirement", str(root / "requirements" / "runtime.txt")]
    ended = subprocess.run(locked, capture_output=True, text=True, check=False)
    if ended.returncode and any(words in ended.stderr for words in _NO_WAY_OUT):
        pytest.skip("no package index can be reached from here, so nothing can be installed into a clean environment")
    assert ended.returncode == 0, ended.stderr
    subprocess.run([*pip, "--no-index", "--no-deps", str(wheel)], check=True)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_installed_wheel_applies_a_stack_and_writes_a_report(installed: Path, data_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "stack.yaml").write_text(STACK, encoding="utf-8")

    def run(*arguments: str) -> str:
        environment = {**os.environ, "PYTHONPATH": "", "PYTHONWARNINGS": "error"}
        program = [str(installed / "bin" / "herocloud"), *arguments]
        ended = subprocess.run(
            program, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    run("apply", "--auto-approve", "--html", str(tmp_path / "plan.html"))
    assert "vm.web[1]" in (tmp_path / "plan.html").read_text(encoding="utf-8")
    assert json.loads(run("plan", "--json"))["resource_changes"]
    assert "No changes." in run("plan")
    assert (data_folder / "state.db").exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_installed_wheel_asks_for_nothing_that_only_developers_have(installed: Path) -> None:
    ended = subprocess.run([str(installed / "bin" / "python"), "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
