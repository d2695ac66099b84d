"""Pages that show changes of the program: the changes are applied to a copy, and the copy is used as a person would use it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

HOST_FILE = "name: node1\nsimulated: {memory: 64 GiB, disk: 1 TiB, cpus: 8, uplink: 1 Gbit/s}\n"


class Changed(NamedTuple):
    """A copy of the program with the changes of a page, and a stack beside it."""

    page: str
    program: Path
    work: Path

    def python(self, *arguments: str, changed: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run Python with the changed program, or with the one of the checkout."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("HEROCLOUD_", "PYTHON"))}
        environment |= {"HEROCLOUD_DATA_DIR": str(self.work / "data"), "NO_COLOR": "1", "COLUMNS": "120", "XDG_RUNTIME_DIR": str(self.work)}
        if changed:
            environment["PYTHONPATH"] = str(self.program)
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.work,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def herocloud(self, *arguments: str, changed: bool = True) -> str:
        """Run a command, and return what it printed and said."""
        ran = self.python("-m", "herocloud", *arguments, changed=changed)
        return ran.stdout + ran.stderr


def apply_page(repository: Path, name: str, folder: Path) -> Changed:
    """Copy the program into a folder, and apply the blocks of a page that are marked `diff`."""
    page = (repository / "docs" / name).read_text(encoding="utf-8")
    program, work = folder / "program", folder / "work"
    for part in ("herocloud", "docs"):
        shutil.copytree(repository / part, program / part, ignore=shutil.ignore_patterns("__pycache__"))
    (work / "data").mkdir(parents=True)
    (work / "data").chmod(0o700)
    (work / "data" / "host.yaml").write_text(HOST_FILE, encoding="utf-8")
    changes = "".join(re.findall(r"```diff\n(.*?)```", page, re.DOTALL))
    # In a repository of its own: git would look for the paths in the one that the folder happens to lie in.
    subprocess.run(["git", "init", "--quiet", str(program)], check=True, capture_output=True)
    applied = subprocess.run(["git", "apply", "-"], cwd=program, input=changes, text=True, capture_output=True, check=False)
    assert applied.returncode == 0, applied.stderr
    return Changed(page, program, work)


def shown_output(page: str, command: str) -> str:
    """Return what a page shows below a command, up to the next command or the end of the block."""
    found = re.search(rf"^\$ {re.escape(command)}\n(.*?)(?=^\$ |^```)", page, re.DOTALL | re.MULTILINE)
    assert found is not None, f"the page does not show `{command}`"
    return found[1]
