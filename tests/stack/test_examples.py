"""The starter and every example load on a simulated host as they are, without a setting."""

import shutil
from pathlib import Path

import pytest

from herocloud.stack import load as stacks
from herocloud.stack import starter
from herocloud.stack.layout import canonical

_STACKS = Path(__file__).parents[2] / "stacks"
_BUILT = {"tiny-pair": ("vmlinuz", "initramfs"), "overlay": ("vmlinuz", "initramfs")}
"""What the head of an example says to build first; tests/guests builds and boots it."""
_EXAMPLES = sorted(path.parent.name for path in _STACKS.glob("*/stack.yaml"))


def _files(name: str) -> list[str]:
    """The file that says `-f` in its head is loaded as its head says."""
    folder = _STACKS / name
    return [
        "stack.yaml",
        *sorted(path.name for path in folder.glob("*.yaml") if path.name != "stack.yaml" and "\nstack:" in path.read_text()),
    ]


def test_there_are_examples() -> None:
    assert {"minimal", "shop", "cluster", "lab", "warehouse", "split"} <= set(_EXAMPLES)


@pytest.mark.parametrize("name", _EXAMPLES)
def test_an_example_loads_without_any_setting(name, making, monkeypatch, tmp_path) -> None:
    folder = shutil.copytree(_STACKS / name, tmp_path / name)
    for built in _BUILT.get(name, ()):
        (folder / built).touch()
    monkeypatch.chdir(folder)
    loaded = stacks.load(_files(name), host=making.host())
    assert loaded.diagnostics == ()
    assert loaded.desired is not None
    assert any(one.kind == "vm" for one in loaded.desired.resources)
    assert not any(one.protect for one in loaded.desired.resources), "an example can be destroyed by whoever tries it"


@pytest.mark.parametrize("name", _EXAMPLES)
def test_an_example_is_formatted_and_begins_with_what_it_shows(name) -> None:
    for file in _files(name):
        text = (_STACKS / name / file).read_text(encoding="utf-8")
        assert text.startswith("# ")
        assert canonical.format_text(text).text == text


def test_the_starter_needs_one_slice_no_file_and_no_network(tmp_path, making, monkeypatch) -> None:
    files = starter.starter_stack()
    assert set(files) == {"stack.yaml", ".gitignore"}
    (tmp_path / "stack.yaml").write_text(files["stack.yaml"], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    loaded = stacks.load(["stack.yaml"], host=making.host(1, cpus=1))
    assert loaded.diagnostics == ()
    assert loaded.desired is not None
    vms = [one for one in loaded.desired.resources if one.kind == "vm"]
    assert [(one.provider, one.spec["memory"]) for one in vms] == [("simulator", 2 * 1024**3)]


def test_the_example_of_the_design_loads(tmp_path, making, monkeypatch) -> None:
    """The file in the reference's first section is a whole stack, written as people write it, `vm: web[0]` included."""
    page = (_STACKS.parent / "docs" / "stack-file.md").read_text(encoding="utf-8")
    text = page.split("```yaml\n", 1)[1].split("```", 1)[0]
    (tmp_path / "images").mkdir()
    for name in ("web.cloud-init.yaml", "images/vmlinuz", "images/tiny.cpio.gz"):
        (tmp_path / name).write_text("x")
    (tmp_path / "stack.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    loaded = stacks.load(
        ["stack.yaml"],
        host=making.host(),
        variables=["ssh_key=ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKJ6yWbEYYt3pNiZNQGRsDNFkFVFSl6oHD3zRdqeBOSP"],
        environment={"DB_PASSWORD": "x"},
    )
    assert [making.told(found) for found in loaded.diagnostics] == []
