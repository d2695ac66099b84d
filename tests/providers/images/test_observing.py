"""One look shows everything with a mark, for all stacks or for some, and says what it cannot read."""

import subprocess
import sys

from herocloud.model.worlds import Observed
from herocloud.providers import ownership
from herocloud.providers.images import observing


def fill(bench, raw, shapes):
    """Make one of everything."""
    body = bench.image(raw)
    disk = bench.disk(body)
    bench.perform("seed.write", "vm.web", "seed", None, shapes.SEED, spec=shapes.spec())
    volume = bench.volume()
    return body, disk, volume


def test_nothing_is_there_before_anything_is_made(bench) -> None:
    assert bench.look() == Observed()
    assert not bench.folder.exists()


def test_everything_is_seen_with_its_parts(bench, raw, shapes) -> None:
    body, disk, volume = fill(bench, raw, shapes)
    seen = bench.look()
    assert {address: thing.parts for address, thing in seen.things["shop"].items()} == {
        "image.debian": {"image": body},
        "vm.web": {"disk": disk, "seed": shapes.SEED},
        "volume.data": {"volume": volume},
    }
    assert {(thing.provider, thing.lineage) for thing in seen.things["shop"].values()} == {("images", "ours")}
    assert seen.images == {str(raw): raw.stat().st_size}


def test_a_look_at_some_stacks_sees_only_those_and_the_sizes_of_all_images(bench, raw, shapes) -> None:
    fill(bench, raw, shapes)
    bench.perform("disk.create", "vm.web", "disk", None, shapes.disk(None, "v9"), stack="second")
    observer = observing.ImagesObserver(bench.folder)
    assert list(observer.observe(["second"]).things) == ["second"]
    assert list(observer.observe(["shop"]).things) == ["shop"]
    assert observer.observe([]).things == {}
    assert observer.observe([]).images == {str(raw): raw.stat().st_size}


def test_what_vanished_or_has_no_mark_is_not_seen(bench, raw, shapes) -> None:
    _, disk, _ = fill(bench, raw, shapes)
    (bench.folder / "vms/v1/seed.iso").unlink()
    (bench.folder / "volumes/shop/data.raw.mark").unlink()
    seen = bench.look().things["shop"]
    assert sorted(seen) == ["image.debian", "vm.web"]
    assert seen["vm.web"].parts == {"disk": disk}


def test_a_rename_of_a_vm_takes_its_disk_and_seed_along(bench, raw, shapes) -> None:
    fill(bench, raw, shapes)
    ownership.rename(bench.folder / "vms/v1", "vm.front")
    seen = bench.look().things["shop"]
    assert sorted(seen["vm.front"].parts) == ["disk", "seed"]
    assert "vm.web" not in seen


def test_what_lies_in_a_folder_whose_owner_is_damaged_is_seen_by_its_own_mark(bench, raw, shapes) -> None:
    fill(bench, raw, shapes)
    before = bench.look().things
    (bench.folder / "vms/v1/owner.json").write_text("{}")
    assert bench.look().things == before


def test_a_look_starts_no_process_and_opens_no_disk(bench, raw, shapes, monkeypatch) -> None:
    fill(bench, raw, shapes)
    seen = []
    sys.addaudithook(lambda event, arguments: seen.append((event, str(arguments[0]))) if watching else None)
    watching = True
    bench.look()
    watching = False
    assert not [one for one in seen if one[0] in ("subprocess.Popen", "os.posix_spawn", "os.fork")]
    assert not [name for event, name in seen if event == "open" and name.endswith((".raw", ".iso"))]


def test_looking_loads_nothing_heavy(bench, raw, shapes) -> None:
    fill(bench, raw, shapes)
    code = (
        "import sys; from pathlib import Path; from herocloud.providers.images import observing;"
        "observing.ImagesObserver(Path(sys.argv[1])).observe(None);"
        "print(sorted({'httpx', 'pycdlib', 'ruamel', 'pydantic', 'subprocess', 'email'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(bench.folder)], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_what_is_missing_on_the_host_is_told(monkeypatch, tmp_path) -> None:
    import importlib.util
    import shutil

    assert observing.survey(tmp_path).usable
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert observing.survey(tmp_path)[:2] == (True, "ready for raw images; qcow2 needs `qemu-img` (package qemu-utils)")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert observing.survey(tmp_path).usable is False
