"""The reference names every key of the models and every code, and nothing that is gone."""

import re
from pathlib import Path

import pytest

from herocloud.stack.fields import machines, stack_file, surroundings
from herocloud.stack.summaries import SUMMARIES

_PAGE = (Path(__file__).parents[2] / "docs" / "stack-file.md").read_text(encoding="utf-8")
_SECTIONS = {part.split("\n", 1)[0]: part for part in re.split(r"^## ", _PAGE, flags=re.MULTILINE)[1:]}
_INNER = {"cpu": machines.Cpu, "memory_options": machines.MemoryOptions, "root_disk": machines.RootDisk, "forward[]": surroundings.Forward}
_BLOCKS = {
    "Top level": stack_file.StackFile, "Variables": surroundings.Variable, "Images": surroundings.Image, "Networks": surroundings.Network,
    "Mycelium": surroundings.Mycelium, "Volumes": surroundings.Volume, "VMs": machines.Vm, "Moved": surroundings.Moved,
}  # fmt: skip


def _rows(section: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", _SECTIONS[section], re.MULTILINE)


def _keys(model) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


@pytest.mark.parametrize("section", _BLOCKS)
def test_every_key_has_its_row_and_every_row_its_key(section) -> None:
    expected = set()
    for key in _keys(_BLOCKS[section]):
        inner = _INNER.get(key)
        expected |= {f"{key}.{one}" for one in _keys(inner)} if inner else {key}
        if key == "forward":
            expected |= {f"forward[].{one}" for one in _keys(surroundings.Forward)}
    assert set(_rows(section)) == expected


def test_the_keys_of_small_blocks_are_named_where_they_belong() -> None:
    for model in (
        machines.Topology,
        machines.DiskRate,
        machines.NetworkRate,
        machines.Share,
        machines.VolumeUse,
        machines.Secret,
        machines.UserData,
    ):
        for key in _keys(model):
            assert re.search(rf"\b{key}\b", _SECTIONS["VMs"]), f"`{key}` of {model.__name__}"


def test_a_size_has_the_keys_that_the_reference_tells() -> None:
    assert set(re.findall(r"`(\w+)`", _SECTIONS["Sizes"].split(":")[1])) == set(_keys(machines.Size))


def test_defaults_have_all_keys_of_a_vm_but_three() -> None:
    assert set(_keys(machines.Vm)) - set(_keys(machines.Defaults)) == {"count", "slice", "depends_on"}
    assert set(machines.Vm.written) == set(_keys(machines.Vm))


def test_every_code_is_listed_with_its_summary() -> None:
    assert re.findall(r"^\| `([^`]+)` \| (.*) \|$", _SECTIONS["Mistakes"], re.MULTILINE) == list(SUMMARIES.items())


def test_every_code_is_used_and_every_used_code_has_a_summary() -> None:
    package = Path(stack_file.__file__).parents[1]
    source = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in (package, package.parent / "kits" / "yaml")
        for path in folder.rglob("*.py")
        if path.name not in {"summaries.py", "__init__.py"}
    )
    used = set(re.findall(r'"([a-z0-9]+(?:-[a-z0-9]+)*)"', source))
    made = {f"unknown-{noun}" for noun in ("image", "size", "network", "volume")}
    assert set(SUMMARIES) <= used | made
