"""The plan/apply loop of one tool at one size: new plan, apply, plan without changes. Each tool answers the same three questions."""

import compileall
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import measuring
import workloads

PROGRAM = str(Path(sys.executable).with_name("herocloud"))
"""The installed script, because that is what people type."""


class Loop(NamedTuple):
    """What was measured at one size; nothing where it was left out."""

    fresh: measuring.Measured | None
    apply: measuring.Measured | None
    same: measuring.Measured | None


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="herocloud-bench-") as name:
        yield Path(name)


def compile_product() -> None:
    """Compile the checkout as pip compiles an installed package.

    Otherwise every command would compile again whatever was edited, or all of it where the interpreter writes no bytecode.
    """
    compileall.compile_dir(Path(__file__).resolve().parent.parent / "herocloud", quiet=1)


def help_time(times: int) -> measuring.Measured:
    """Measure `herocloud --help`."""
    with _folder() as folder:
        return measuring.repeat(times, lambda: measuring.run([PROGRAM, "--help"], folder=folder))


def herocloud(size: int, form: workloads.Form, times: int) -> Loop:
    """Measure herocloud on its simulator. Every cold run gets a data folder of its own, so that no cache helps it."""
    with _folder() as folder:
        (folder / "stack.yaml").write_text(workloads.stack_text(size, form), encoding="utf-8")
        made = 0

        def command(data: Path, *arguments: str) -> measuring.Measured:
            environment = {"HEROCLOUD_DATA_DIR": str(data), "XDG_CACHE_HOME": str(data / "cache"), "NO_COLOR": "1"}
            return measuring.run([PROGRAM, *arguments], folder=folder, environment=environment)

        def new_data() -> Path:
            nonlocal made
            made += 1
            data = folder / f"data{made}"
            workloads.write_host(data, size)
            return data

        fresh = measuring.repeat(times, lambda: command(new_data(), "plan"))
        applied = measuring.repeat(times, lambda: command(new_data(), "apply", "--auto-approve"))
        data = folder / f"data{made}"
        same = measuring.repeat(times, lambda: command(data, "plan", "--detailed-exitcode"))
        return Loop(fresh, applied, same)


def terraform(size: int, form: workloads.Form, times: int, *, apply: bool) -> Loop:
    """Measure OpenTofu or Terraform with resources that do nothing.

    Without `apply` only the new plan, for sizes at which its apply takes an hour.
    """
    with _folder() as folder:
        (folder / "main.tf").write_text(workloads.terraform_text(size, form), encoding="utf-8")
        environment = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_CLI_ARGS": "-no-color"}

        def command(*arguments: str) -> measuring.Measured:
            return measuring.run([find_peer() or "terraform", *arguments], folder=folder, environment=environment)

        def apply_again() -> measuring.Measured:
            for left in folder.glob("terraform.tfstate*"):
                left.unlink()
            return command("apply", "-input=false", "-auto-approve")

        command("init", "-input=false")
        fresh = measuring.repeat(times, lambda: command("plan", "-input=false"))
        if not apply:
            return Loop(fresh, None, None)
        applied = measuring.repeat(times, apply_again)
        same = measuring.repeat(times, lambda: command("plan", "-input=false", "-detailed-exitcode"))
        return Loop(fresh, applied, same)


def find_peer() -> str | None:
    """Name the program to compare with: OpenTofu where it is on PATH, else Terraform."""
    return next((name for name in ("tofu", "terraform") if shutil.which(name) is not None), None)


def has_terraform() -> bool:
    """Tell whether there is a program to compare with."""
    return find_peer() is not None
