"""Commands start fast because they load little; what is loaded is counted in a fresh interpreter, which a loaded machine cannot blur."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"pydantic", "deepdiff", "psutil", "ruamel.yaml", "rich", "jinja2", "httpx", "pyroute2", "asyncio"}
"""Libraries that no command needs for being understood. Typer itself loads difflib, for its suggestions."""

_PROBE = """
import json, sys
sys.argv = ["herocloud", *json.loads(sys.argv[1])]
from herocloud.cli import entry
try:
    entry.main()
except SystemExit:
    pass
print("\\n" + json.dumps(sorted(sys.modules)))
"""

_SLOW_TYPES = """
import typing
slow, typing_new = [], typing.NamedTupleMeta.__new__
def note(kind, name, bases, body):
    slow.append(body["__module__"] + "." + name)
    return typing_new(kind, name, bases, body)
typing.NamedTupleMeta.__new__ = staticmethod(note)
"""

STACK = """\
stack: shop
images:
  tiny: {source: "https://images.example.org/tiny.qcow2", unpinned: true, format: qcow2}
vms:
  web: {count: 3, image: tiny, memory: 1 GiB}
"""


def _loaded(folder: Path, *arguments: str, probe: str = _PROBE) -> set[str]:
    command = [sys.executable, "-c", probe, json.dumps(arguments)]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return set(json.loads(ended.stdout.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("plan", "--help")], ids=" ".join)
def test_help_and_version_load_no_heavy_library(data_folder: Path, arguments: tuple[str, ...]) -> None:
    # With a host file the flags' defaults come from it, which is worth reading a small file.
    (data_folder / "host.yaml").unlink()
    loaded = _loaded(data_folder, *arguments)
    assert sorted(loaded & HEAVY) == []
    assert len(loaded) <= 290, f"{len(loaded)} modules"


def test_help_loads_no_layer_below_the_command_line(data_folder: Path) -> None:
    layers = {name.split(".")[1] for name in _loaded(data_folder, "--help") if name.startswith("herocloud.")}
    assert layers <= {"cli", "kits", "model"}


def test_a_new_plan_loads_nothing_it_does_not_need(data_folder: Path) -> None:
    (data_folder / "stack.yaml").write_text(STACK, encoding="utf-8")
    loaded = _loaded(data_folder, "plan")
    assert "yaml" in loaded
    assert sorted(loaded & (HEAVY | {"typer", "inspect"})) == []


def test_a_plan_without_changes_loads_nothing_it_does_not_need(data_folder: Path) -> None:
    (data_folder / "stack.yaml").write_text(STACK, encoding="utf-8")
    _loaded(data_folder, "apply", "--auto-approve")
    assert sorted(_loaded(data_folder, "plan") & (HEAVY | {"typer", "inspect"})) == []


def test_types_of_every_plan_are_cheap_to_define(data_folder: Path) -> None:
    # A named tuple of `typing` takes ten times as long: 160 of them were a fifth of the time of a plan without changes.
    (data_folder / "stack.yaml").write_text(STACK, encoding="utf-8")
    _loaded(data_folder, "apply", "--auto-approve")
    slow = _loaded(data_folder, "plan", probe=_SLOW_TYPES + _PROBE.replace("sorted(sys.modules)", "slow"))
    own = sorted(name for name in slow if name.startswith("herocloud."))
    assert own == [], "take NamedTuple from herocloud.kits.named_tuples in these"
