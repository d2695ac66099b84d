"""The commands in scripts/ are sound, and CI runs the same ones as people."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def scripts(root: Path) -> Sequence[Path]:
    return [*sorted(path for path in (root / "scripts").iterdir() if path.is_file()), root / ".ci" / "run"]


def test_every_script_can_be_run_as_it_is(scripts: Sequence[Path]) -> None:
    for path in scripts:
        assert os.access(path, os.X_OK), path
        assert path.read_text(encoding="utf-8").startswith("#!/usr/bin/env "), path


def test_every_shell_script_parses_and_stops_at_errors(scripts: Sequence[Path]) -> None:
    shell = [path for path in scripts if "bash" in path.read_text(encoding="utf-8").splitlines()[0]]
    assert shell
    for path in shell:
        subprocess.run(["bash", "-n", str(path)], check=True)
        assert re.search(r"^set -e?uo pipefail$", path.read_text(encoding="utf-8"), re.MULTILINE), path


def test_every_script_says_first_what_it_does(scripts: Sequence[Path]) -> None:
    for path in scripts:
        assert re.match(r"#!\S+ \S+\n(# |\"\"\")[A-Z].{30}", path.read_text(encoding="utf-8")), path


def test_ci_runs_the_readme_s_test_command(root: Path) -> None:
    said = (root / "README.md").read_text(encoding="utf-8")
    run = (root / ".ci" / "run").read_text(encoding="utf-8")
    assert "scripts/test" in said
    assert re.search(r"^scripts/test\b", run, re.MULTILINE)
    assert re.search(r"^scripts/check\b", run, re.MULTILINE)


def test_test_hands_its_arguments_on_to_pytest(root: Path) -> None:
    ended = subprocess.run(["scripts/test", "--version"], cwd=root, capture_output=True, text=True, check=True)
    assert re.search(r"^pytest \d", ended.stdout + ended.stderr, re.MULTILINE)


@pytest.mark.parametrize(
    ("processors", "given", "got"),
    [
        (1, [], []),
        (2, [], ["-n", "2", "--dist", "loadfile"]),
        (64, ["--durations=9"], ["-n", "4", "--dist", "loadfile", "--durations=9"]),
        (4, ["tests/plan"], ["tests/plan"]),
        (4, ["tests/plan/test_it.py::test_this"], ["tests/plan/test_it.py::test_this"]),
        (4, ["-k", "protect"], ["-k", "protect"]),
        (4, ["-n", "0"], ["-n", "0"]),
    ],
)
def test_the_whole_suite_is_spread_over_the_processors(
    root: Path, tmp_path: Path, processors: int, given: list[str], got: list[str]
) -> None:
    for name, text in {
        "scripts/test": (root / "scripts" / "test").read_text(encoding="utf-8"),
        "scripts/setup": "#!/bin/sh\n",
        ".venv/bin/python": '#!/bin/sh\nshift 2\nprintf "%s\\n" "$@"\n',
        "bin/nproc": f"#!/bin/sh\necho {processors}\n",
        "tests/plan/test_it.py": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    ended = subprocess.run([tmp_path / "scripts" / "test", *given], env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == got


def test_what_was_skipped_is_listed_once_for_each_reason(root: Path, tmp_path: Path) -> None:
    # A test file beside the shared fixtures, so that their summary is the one that speaks.
    probe = tmp_path / "test_probe.py"
    probe.write_text(
        "import pytest\n\n@pytest.mark.parametrize('n', range(3))\ndef test_it(n):\n    pytest.skip('needs a moon')\n", encoding="utf-8"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.conftest",
        "--rootdir",
        str(tmp_path),
        "-c",
        str(root / "pyproject.toml"),
        str(probe),
    ]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert re.search(r"skipped on this machine =+\n +3  needs a moon\n", ended.stdout), ended.stdout + ended.stderr


def test_setup_does_nothing_when_nothing_changed(root: Path) -> None:
    stamp = root / ".venv" / "setup-stamp"
    if not stamp.exists():
        pytest.skip("this environment was not made by scripts/setup")
    subprocess.run(["scripts/setup"], cwd=root, check=True, capture_output=True)
    before = stamp.stat().st_mtime_ns
    again = subprocess.run(["scripts/setup"], cwd=root, capture_output=True, text=True, check=True)
    assert again.stdout + again.stderr == ""
    assert stamp.stat().st_mtime_ns == before


def test_setup_refuses_an_interpreter_that_is_too_old(root: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for name in ("scripts", "requirements", "herocloud"):
        shutil.copytree(root / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", checkout)
    # A PATH on which every interpreter is too old, and no package manager to mend it.
    programs = tmp_path / "programs"
    programs.mkdir()
    for tool in ("bash", "dirname", "cat", "grep", "sha256sum", "cut", "env", "flock", "id"):
        (programs / tool).symlink_to(shutil.which(tool) or tool)
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14"):
        (programs / name).write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    ended = subprocess.run([str(checkout / "scripts" / "setup")], env={"PATH": str(programs)}, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "install Python 3.11 or newer" in ended.stderr
    assert not (checkout / ".venv").exists()
