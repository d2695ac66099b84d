"""Replacing on a real host: real disks, seeds, tombstones and processes; only the guest is a stand-in."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from herocloud.operations import admission

STACK = """\
stack: shop
images: {{deb: {{source: ./{image}.raw, format: raw, unpinned: true, nocloud: true}}}}
vms: {{web: {{image: deb, memory: 64 MiB, root_disk: {{size: 1 MiB}}, secrets: {{token: {{file: ./token}}}}}}}}
"""


@pytest.fixture
def shop(stand_in: Any) -> Any:
    """Apply a VM with a root disk and a seed; its disk is written to afterwards."""
    for name in ("old", "new"):
        stand_in.write(name * 2048, f"{name}.raw")
    stand_in.write("a secret", "token")
    stand_in.write(STACK.format(image="old"))
    stand_in.done("apply", "-y", "-q")
    with _disk(stand_in).open("r+b") as disk:
        disk.write(b"precious")
    return stand_in


def _folder(herocloud: Any) -> Path:
    (folder,) = (herocloud.data_folder / "vms").iterdir()
    return Path(folder)


def _disk(herocloud: Any) -> Path:
    return _folder(herocloud) / "root.raw"


def _process(herocloud: Any) -> bytes:
    """Return what is known of the process of the VM: it changes with every start."""
    return (_folder(herocloud) / "vmm" / "machine.json").read_bytes()


def _names(herocloud: Any) -> set[str]:
    return {path.name for path in _folder(herocloud).iterdir() if path.suffix in (".raw", ".iso", ".mark")}


def _state(herocloud: Any) -> str:
    (one,) = json.loads(herocloud.done("vm", "list", "--json").out)["vms"]
    return str(one["state"])


SETTLED = {"root.raw", "root.raw.mark", "seed.iso", "seed.iso.mark"}


def test_the_new_disk_takes_the_place_of_the_old_one_and_undo_brings_it_back(shop) -> None:
    shop.write(STACK.format(image="new"))
    shop.done("apply", "-y", "-q")
    assert _disk(shop).read_bytes().startswith(b"newnew")
    assert _names(shop) == SETTLED
    assert "No changes." in shop.done("plan").out
    shop.done("undo", "-y")
    assert _disk(shop).read_bytes().startswith(b"precious")
    assert _names(shop) == SETTLED
    assert _state(shop) == "running"


def test_a_seed_that_cannot_be_written_leaves_the_machine_running(shop) -> None:
    before = _process(shop)
    shop.done("plan", "--replace", "vm.web", "--out", "again.plan")
    Path(shop.folder / "token").unlink()
    ran = shop("apply", "again.plan")
    assert ran.code != 0, ran.both
    assert "token" in ran.err
    assert (_state(shop), _process(shop)) == ("running", before)
    assert _disk(shop).read_bytes().startswith(b"precious")


POINTS = (
    "images.disk.prepare.half",
    "images.seed.prepare.half",
    "images.disk.place.before",
    "images.disk.place.half:1",
    "images.disk.place.half:2",
    "images.seed.place.half:1",
    "images.seed.place.half:3",
    "images.seed.place.after",
)


@pytest.mark.parametrize("way", [(), ("--rollback",)], ids=["finished", "taken back"])
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_is_finished_or_taken_back(shop, spawn, point, way) -> None:
    shop.write(STACK.format(image="new"))
    fault = f"{point}:kill" if point[-1].isdigit() else f"{point}:1:kill"
    killed = spawn("apply", "-y", "-q", env={**os.environ, "HEROCLOUD_FAULTS": fault, "HEROCLOUD_ACCELERATOR": "tcg"})
    killed.communicate(timeout=60)
    assert killed.returncode == -9
    shop.done("resume", "-y", "-q", *way)
    assert _state(shop) == "running"
    assert _disk(shop).read_bytes().startswith(b"precious" if way else b"newnew")
    assert _names(shop) == SETTLED
    assert "No drift." in shop.done("drift").out


def test_what_was_prepared_for_nothing_leaves_nothing(shop) -> None:
    shop.write(STACK.format(image="new"))
    shop.done("plan", "--out", "new.plan")
    (shop.folder / "token").unlink()
    assert shop("apply", "new.plan").code != 0
    assert "root.new.raw" in _names(shop)
    shop.write("a secret", "token")
    shop.write(STACK.format(image="old"))
    shop.done("apply", "-y", "-q")
    assert _disk(shop).read_bytes().startswith(b"precious")
    assert _names(shop) == SETTLED


def test_undoing_applies_in_order_brings_back_the_disk_of_each(shop) -> None:
    for image in ("new", "newest"):
        shop.write(image * 2048, f"{image}.raw")
        shop.write(STACK.format(image=image))
        shop.done("apply", "-y", "-q")
        with _disk(shop).open("r+b") as disk:
            disk.write(f"of {image}".encode())
    shop.done("undo", "-y")
    assert _disk(shop).read_bytes().startswith(b"of newnew")
    shop.done("undo", "apply-2", "-y")
    assert _disk(shop).read_bytes().startswith(b"precious")
    assert "No drift." in shop.done("drift").out
    for which, content in (("apply-5", b"of newnew"), ("apply-4", b"of newest"), ("apply-7", b"of newnew"), ("apply-6", b"precious")):
        shop.done("undo", which, "-y")
        assert _disk(shop).read_bytes().startswith(content), which


def test_an_undo_is_refused_when_the_right_disk_was_purged_although_others_are_kept(shop) -> None:
    shop.write(STACK.format(image="new"))
    shop.done("apply", "-y", "-q")
    (first,) = (shop.data_folder / "tombstones").iterdir()
    shop.write("third" * 2048, "third.raw")
    shop.write(STACK.format(image="third"))
    shop.done("apply", "-y", "-q")
    shop.done("undo", "-y")
    shutil.rmtree(first)
    refused = shop("undo", "apply-2", "-y")
    assert refused.code != 0
    assert "Deleted data is gone" in refused.both
    assert _disk(shop).read_bytes().startswith(b"newnew")


def test_an_undo_whose_data_goes_before_it_begins_leaves_the_machine_running(shop, monkeypatch) -> None:
    shop.write(STACK.format(image="new"))
    shop.done("apply", "-y", "-q")
    content, process = _disk(shop).read_bytes(), _process(shop)
    working = admission.working

    def too_late(folder: Path, *rest: Any) -> Any:
        shutil.rmtree(folder / "tombstones")
        return working(folder, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(admission, "working", too_late)
        ran = shop("undo", "-y")
    assert ran.code == 1, ran.both
    assert "Deleted data is gone" in ran.err
    assert (_disk(shop).read_bytes(), _process(shop), _state(shop)) == (content, process, "running")


def test_a_volume_comes_back_with_its_data_and_not_with_that_of_its_empty_successor(stand_in) -> None:
    volume = "stack: shop\nvolumes: {data: {size: 1 MiB}}\nvms: {}\n"
    path = stand_in.data_folder / "volumes" / "shop" / "data.raw"
    for text in (volume, "stack: shop\n", volume):
        stand_in.write(text)
        stand_in.done("apply", "-y", "-q")
        if not list((stand_in.data_folder).glob("tombstones/*")):
            with path.open("r+b") as disk:
                disk.write(b"precious")
    assert path.read_bytes().startswith(b"\0")
    stand_in.done("undo", "-y")
    stand_in.done("undo", "apply-2", "-y")
    assert path.read_bytes().startswith(b"precious")
