"""Every example stack lives its whole life through the command line, and leaves nothing."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

_STACKS = Path(__file__).parents[2] / "stacks"
_BUILT = {"tiny-pair": ("vmlinuz", "initramfs"), "overlay": ("vmlinuz", "initramfs")}
"""Files that an example is told to build first; their content is nothing to the simulator."""
_HOST = "name: big\nsimulated: {memory: 512 GiB, disk: 16 TiB, cpus: 128, uplink: 10 Gbit/s}\n"


@pytest.mark.parametrize("name", sorted(path.name for path in _STACKS.iterdir()))
def test_an_example_is_made_stays_exports_and_goes(name: str, herocloud: Any, data_folder: Path) -> None:
    (data_folder / "host.yaml").write_text(_HOST, encoding="utf-8")
    shutil.copytree(_STACKS / name, herocloud.folder, dirs_exist_ok=True)
    for file in _BUILT.get(name, ()):
        (herocloud.folder / file).touch()
    others = [path.name for path in sorted(herocloud.folder.glob("*.yaml")) if "\nstack:" in path.read_text(encoding="utf-8")]
    files = [word for file in others for word in ("-f", file)]

    herocloud.done("apply", "-y", "-q", *files)
    assert herocloud.done("plan", "--detailed-exitcode", *files).out == "No changes.\n"
    exported = herocloud.write(herocloud.done("export").out, "exported.yaml")
    assert herocloud.done("plan", "--detailed-exitcode", "-f", str(exported)).out == "No changes.\n"
    herocloud.done("destroy", "-y", "-q", *files)
    assert json.loads(herocloud.done("state", "list", "--json").out)["records"] == []
    assert {one["vm"] for one in json.loads(herocloud.done("slice", "list", "--json").out)["slices"]} == {None}
