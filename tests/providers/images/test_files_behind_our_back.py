"""Files that somebody removed, swapped or wrote into are seen as what they are, and one step puts right what can be put right."""

import json
import os
from pathlib import Path

import pytest

from herocloud.model.errors import Conflict
from herocloud.model.parts import LOST, REPLACED
from herocloud.providers.images import file_stamps


def seed(bench, shapes):
    bench.perform("seed.write", "vm.web", "seed", None, shapes.SEED, spec=shapes.spec())
    return bench.folder / shapes.SEED["path"]


def rewrite(path: Path, content: bytes) -> None:
    """Write into a file and put its times back, as somebody does who does not want to be seen."""
    times = path.stat()
    while path.stat().st_ctime_ns == times.st_ctime_ns:
        # Within one tick of the kernel's clock nothing tells that a file was written twice.
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_volume_that_was_removed_while_it_is_open_is_not_gone(bench) -> None:
    volume = bench.volume()
    path = bench.folder / volume["path"]
    with path.open("r+b") as guest:
        path.unlink()
        assert bench.part("volume.data", "volume") == {**volume, "file": f"{LOST}/proc/{os.getpid()}/fd/{guest.fileno()}"}
    assert bench.part("volume.data", "volume") is None


def test_what_lies_in_the_place_of_an_open_volume_is_not_it(bench) -> None:
    volume = bench.volume()
    path = bench.folder / volume["path"]
    with path.open("r+b") as guest:
        path.rename(path.with_name("elsewhere"))
        path.write_bytes(bytes(volume["size"]))
        seen = bench.part("volume.data", "volume")
        assert seen == {**volume, "file": f"{REPLACED}/proc/{os.getpid()}/fd/{guest.fileno()}"}
        with pytest.raises(Conflict, match="replaced"):
            bench.perform("volume.grow", "volume.data", "volume", seen, volume)


@pytest.mark.parametrize("what", ["disk", "volume"])
def test_a_file_that_was_swapped_is_seen_and_taken_up_by_one_step(bench, raw, what) -> None:
    part = bench.disk(bench.image(raw)) if what == "disk" else bench.volume()
    address, kind = ("vm.web", "disk.grow") if what == "disk" else ("volume.data", "volume.grow")
    path = bench.folder / part["path"]
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    copy.rename(path)
    seen = bench.part(address, what)
    assert seen == {**part, "file": "another file"}
    bench.perform(kind, address, what, seen, part)
    assert bench.part(address, what) == part


def test_a_file_that_was_made_again_is_another_one_though_it_may_have_the_same_number(bench) -> None:
    volume = bench.volume()
    path = bench.folder / volume["path"]
    path.unlink()
    path.write_bytes(bytes(volume["size"]))
    assert bench.part("volume.data", "volume") == {**volume, "file": "another file"}


def test_a_file_of_somebody_else_that_got_the_number_of_one_that_is_gone_holds_nothing(bench) -> None:
    volume = bench.volume()
    path = bench.folder / volume["path"]
    place = bench.folder / f"{volume['path']}.mark"
    with (bench.folder / "other").open("w+b") as other:
        mark = json.loads(place.read_text())
        device, _, born = mark["more"]["file"]
        mark["more"]["file"] = [device, os.fstat(other.fileno()).st_ino, born]
        place.write_text(json.dumps(mark))
        path.unlink()
        if born is None:
            pytest.skip("this file system does not say when a file was made")
        assert bench.part("volume.data", "volume") is None


def test_a_link_in_the_place_of_a_volume_is_seen_and_never_followed(bench, tmp_path) -> None:
    volume = bench.volume()
    path, target = bench.folder / volume["path"], tmp_path / "precious"
    target.write_bytes(b"precious")
    path.unlink()
    path.symlink_to(target)
    seen = bench.part("volume.data", "volume")
    assert seen["file"] == "a symbolic link"
    with pytest.raises(Conflict):
        bench.perform("volume.grow", "volume.data", "volume", seen, volume)
    assert target.read_bytes() == b"precious"


def test_a_seed_that_was_written_into_is_seen_and_put_right_in_place(bench, shapes) -> None:
    path = seed(bench, shapes)
    whole, inode = path.read_bytes(), path.stat().st_ino
    rewrite(path, whole.replace(b"local-hostname", b"evil-hostnames"))
    seen = bench.part("vm.web", "seed")
    assert seen == {**shapes.SEED, "content": "changed"}
    bench.perform("seed.write", "vm.web", "seed", seen, shapes.SEED, spec=shapes.spec())
    # A VMM that has it open reads it again when its guest reboots.
    assert (bench.part("vm.web", "seed"), path.stat().st_ino) == (shapes.SEED, inode)
    assert b"evil-hostnames" not in path.read_bytes()


def test_a_seed_that_was_swapped_is_written_again(bench, shapes) -> None:
    path = seed(bench, shapes)
    path.with_name("copy").write_bytes(b"evil" + path.read_bytes()[4:])
    path.with_name("copy").rename(path)
    seen = bench.part("vm.web", "seed")
    assert seen == {**shapes.SEED, "file": "another file"}
    bench.perform("seed.write", "vm.web", "seed", seen, shapes.SEED, spec=shapes.spec())
    assert bench.part("vm.web", "seed") == shapes.SEED
    assert not path.read_bytes().startswith(b"evil")


@pytest.mark.parametrize("field", ["kernel", "initramfs"])
def test_what_a_vm_boots_from_is_seen_when_it_changes_and_taken_up_by_one_step(bench, tmp_path, shapes, field) -> None:
    paths = {name: tmp_path / name for name in ("kernel", "initramfs")}
    for path in paths.values():
        path.write_bytes(b"one")
    body = shapes.image(None, **{name: str(path) for name, path in paths.items()})
    bench.perform("image.fetch", "image.bare", "image", None, body)
    assert bench.part("image.bare", "image") == body
    rewrite(paths[field], b"two")
    seen = bench.part("image.bare", "image")
    assert seen == {**body, f"{field}_file": "changed"}
    bench.perform("image.fetch", "image.bare", "image", seen, body)
    assert bench.part("image.bare", "image") == body
    paths[field].unlink()
    assert bench.part("image.bare", "image") == {**body, f"{field}_file": "gone"}


def test_a_stored_image_that_was_written_into_is_seen_and_fetched_again(bench, raw) -> None:
    body = bench.image(raw)
    stored = next((bench.folder / "images/store").glob("*.raw"))
    rewrite(stored, b"evil" + stored.read_bytes()[4:])
    seen = bench.part("image.debian", "image")
    assert seen == {**body, "content": "changed"}
    bench.perform("image.fetch", "image.debian", "image", seen, body)
    assert bench.part("image.debian", "image") == body
    assert stored.read_bytes() == raw.read_bytes()


def test_a_file_that_only_got_another_owner_or_inode_has_not_changed(bench, shapes, monkeypatch) -> None:
    path = seed(bench, shapes)
    path.chmod(0o640)
    assert bench.part("vm.web", "seed") == shapes.SEED
    # What was read once is not read again.
    monkeypatch.setattr(file_stamps, "_digest", lambda _path, _size: pytest.fail("it was read again"))
    assert bench.part("vm.web", "seed") == shapes.SEED


def test_a_look_at_a_mark_of_an_earlier_version_finds_nothing_wrong(bench) -> None:
    volume = bench.volume()
    place = bench.folder / f"{volume['path']}.mark"
    text = place.read_text()
    place.write_text(text[: text.index('"more":')] + '"more":{}' + text[text.index('},"part"') + 1 :])
    assert bench.part("volume.data", "volume") == volume
