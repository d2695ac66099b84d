"""Root disks and volumes: copied from their image, grown where they are, never made smaller, and left alone when they are not ours."""

import os
import threading

import pytest

from herocloud.model.errors import Conflict, Permanent, Temporary
from herocloud.providers.seam import Found

ROOT = ("disk.create", "vm.web", "disk", None)


def root(bench):
    return bench.folder / "vms/v1/root.raw"


def test_a_disk_begins_as_its_image_and_goes_on_as_a_hole(bench, raw, shapes) -> None:
    after = bench.disk(bench.image(raw))
    content = root(bench).read_bytes()
    assert content == raw.read_bytes() + bytes(after["size"] - raw.stat().st_size)
    assert root(bench).stat().st_blocks * 512 < after["size"] / 8
    assert bench.part("vm.web", "disk") == after


def test_a_disk_without_an_image_is_empty(bench, shapes) -> None:
    bench.disk(None)
    assert root(bench).read_bytes() == bytes(8 * shapes.MIB)
    assert root(bench).stat().st_blocks == 0


def test_a_disk_is_its_owners_alone(bench, raw) -> None:
    bench.disk(bench.image(raw))
    assert root(bench).stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_disks_and_seeds_belong_to_the_user_of_the_vmm(raw, shapes, tmp_path) -> None:
    from herocloud.providers.images.image_folders import Ownership

    bench = shapes.Bench(tmp_path / "data", ownership=Ownership(uid=4001, gid=4002, mode=0o640))
    bench.disk(bench.image(raw))
    bench.volume()
    bench.perform("seed.write", "vm.web", "seed", None, shapes.SEED, spec=shapes.spec())
    for name in ("vms/v1/root.raw", "vms/v1/seed.iso", "volumes/shop/data.raw"):
        found = (bench.folder / name).stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (4001, 4002, 0o640)
    # The folders on the way let that user through; what they hold besides stays closed.
    assert (bench.folder / "vms/v1").stat().st_mode & 0o001
    assert (bench.folder / "vms/v1/root.raw.mark").stat().st_mode & 0o077 == 0


def test_an_image_that_is_larger_than_the_disk_is_refused(bench, raw, shapes) -> None:
    body = bench.image(raw)
    with pytest.raises(Permanent, match=r"image `debian` is 3 MiB and does not fit on a disk of 2 MiB"):
        bench.disk(body, size=2 * shapes.MIB)
    assert not (bench.folder / "vms").exists()


def test_a_disk_whose_image_is_not_there_is_refused(bench, shapes) -> None:
    with pytest.raises(Permanent, match="image `debian` is not in the store; it has to be fetched first"):
        bench.disk(shapes.image("/nowhere"))


def test_the_stacks_own_image_is_taken_where_two_have_the_same_source(bench, raw, shapes) -> None:
    body = bench.image(raw)
    raw.write_bytes(shapes.content(seed=2))
    bench.perform("image.fetch", "image.debian", "image", None, body, stack="second")
    bench.disk(body)
    bench.disk(body, sid="v2", address="vm.web", stack="second")
    assert root(bench).read_bytes()[:1000] == shapes.content(seed=1)[:1000]
    assert (bench.folder / "vms/v2/root.raw").read_bytes()[:1000] == shapes.content(seed=2)[:1000]


@pytest.mark.parametrize("path", ["/etc/passwd", "vms/../../root.raw", "elsewhere/v1/root.raw", "vms/root.raw", "vms/v1/a/root.raw"])
def test_a_path_out_of_our_folders_is_refused(bench, path) -> None:
    with pytest.raises(Permanent, match="is not a place for a disk"):
        bench.perform(*ROOT, {"size": 512, "path": path, "image": None, "source": None})


def test_a_disk_grows_in_place_and_never_shrinks(bench, raw, shapes) -> None:
    before = bench.disk(bench.image(raw))
    larger = {**before, "size": 16 * shapes.MIB}
    assert bench.perform("disk.grow", "vm.web", "disk", before, larger) == larger
    assert root(bench).stat().st_size == 16 * shapes.MIB
    assert root(bench).read_bytes()[: raw.stat().st_size] == raw.read_bytes()
    with pytest.raises(Permanent, match="shrinking from 16 MiB to 8 MiB would destroy data"):
        bench.perform("disk.grow", "vm.web", "disk", larger, before)
    assert bench.part("vm.web", "disk") == larger


def test_a_disk_that_its_vmm_grew_is_seen_as_large_as_it_is(bench, raw, shapes) -> None:
    before = bench.disk(bench.image(raw))
    os.truncate(root(bench), 12 * shapes.MIB)
    assert bench.part("vm.web", "disk") == {**before, "size": 12 * shapes.MIB}


def test_a_growth_is_taken_back_while_nobody_has_written(bench, raw, shapes) -> None:
    before = bench.disk(bench.image(raw))
    grow = ("disk.grow", "vm.web", "disk", before, {**before, "size": 16 * shapes.MIB})
    bench.perform(*grow)
    bench.undo(*grow)
    assert bench.part("vm.web", "disk") == before
    assert bench.probe(*grow).found is Found.NOT_STARTED


def test_a_growth_that_a_guest_may_use_is_not_taken_back(bench, raw, shapes) -> None:
    before = bench.disk(bench.image(raw))
    grow = ("disk.grow", "vm.web", "disk", before, {**before, "size": 16 * shapes.MIB})
    bench.perform(*grow)
    with root(bench).open("r+b") as stream:
        stream.write(b"a new file system")
    with pytest.raises(Permanent, match="was written to after it grew to 16 MiB"):
        bench.undo(*grow)
    assert root(bench).stat().st_size == 16 * shapes.MIB


def test_a_change_that_needs_another_disk_is_refused(bench, raw) -> None:
    before = bench.disk(bench.image(raw))
    with pytest.raises(Permanent, match="this change needs a new one"):
        bench.perform("disk.grow", "vm.web", "disk", before, {**before, "source": "other"})


def test_what_is_done_is_left_alone(bench, raw) -> None:
    after = bench.disk(bench.image(raw))
    with root(bench).open("r+b") as stream:
        stream.write(b"written by a guest")
    bench.perform(*ROOT, after)
    assert root(bench).read_bytes().startswith(b"written by a guest")


def test_a_file_without_a_mark_is_nobodys_to_overwrite(bench, raw, shapes) -> None:
    body = bench.image(raw)
    root(bench).parent.mkdir(parents=True)
    root(bench).write_bytes(b"somebody's own")
    assert bench.probe(*ROOT, shapes.disk(body)).found is Found.CONTRADICTED
    with pytest.raises(Conflict, match="has no mark, so it was not made by herocloud"):
        bench.disk(body)
    with pytest.raises(Conflict, match="has no mark"):
        bench.perform("disk.delete", "vm.web", "disk", shapes.disk(body), None)
    bench.undo(*ROOT, shapes.disk(body))
    assert root(bench).read_bytes() == b"somebody's own"
    assert bench.thing("vm.web") is None


def test_what_another_address_owns_is_not_taken_even_when_it_is_equal(bench) -> None:
    after = bench.volume()
    bench.perform("volume.move", "volume.rest", "mark", {"address": "volume.data"}, {"address": "volume.rest"})
    assert bench.probe("volume.create", "volume.data", "volume", None, after).found is Found.CONTRADICTED
    with pytest.raises(Conflict, match=r"belongs to `volume\.rest` of stack `shop`"):
        bench.volume()


def test_what_another_state_made_is_refused_for_making_and_may_be_deleted(bench, raw) -> None:
    body = bench.image(raw)
    after = bench.disk(body, lineage="theirs")
    with pytest.raises(Conflict, match="carries the mark of another state, theirs"):
        bench.perform(*ROOT, after)
    assert bench.probe(*ROOT, after).found is Found.CONTRADICTED
    with pytest.raises(Conflict, match="another state"):
        bench.undo(*ROOT, after)
    bench.perform("disk.delete", "vm.web", "disk", after, None)
    assert bench.thing("vm.web") is None


def test_a_different_disk_is_in_the_way(bench, raw, shapes) -> None:
    body = bench.image(raw)
    after = bench.disk(body)
    with pytest.raises(Conflict, match="has a different disk already"):
        bench.disk(body, size=9 * shapes.MIB)
    os.truncate(root(bench), 10 * shapes.MIB)
    with pytest.raises(Conflict, match=r"neither as before nor as after `disk\.grow`"):
        bench.perform("disk.grow", "vm.web", "disk", after, {**after, "size": 20 * shapes.MIB})


def test_a_copy_that_is_cancelled_leaves_no_half_disk(bench, raw, shapes) -> None:
    body = bench.image(raw)
    with pytest.raises(Temporary, match="the copy was cancelled"):
        bench.disk(body, cancelled=lambda: True)
    assert bench.probe(*ROOT, shapes.disk(body)).found is Found.PARTIAL
    assert [name for name in bench.files() if name.startswith("vms/")] == ["vms/v1/owner.json", "vms/v1/root.raw.mark"]
    bench.disk(body)
    assert bench.probe(*ROOT, shapes.disk(body)).found is Found.DONE


@pytest.mark.parametrize("what", ["enospc", "eio", "erofs"])
def test_a_disk_that_fails_is_told_in_its_own_words(bench, raw, monkeypatch, what) -> None:
    from herocloud.kits import faults

    body = bench.image(raw)
    monkeypatch.setitem(faults._rules, "images.disk.create.half", (1, what))
    monkeypatch.setattr(faults, "_counts", {})
    with pytest.raises(Permanent, match=r"`vm\.web`: .*injected") as caught:
        bench.disk(body)
    assert isinstance(caught.value.__cause__, OSError)
    monkeypatch.undo()
    bench.disk(body)


def test_many_disks_are_made_at_once(bench, raw) -> None:
    body = bench.image(raw)
    failures = []

    def make(number):
        try:
            bench.disk(body, sid=f"v{number}", address=f"vm.web[{number}]")
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(12)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(timeout=60)
    assert failures == []
    assert len([name for name in bench.look().things["shop"] if name.startswith("vm.")]) == 12


def test_a_volume_is_renamed_where_it_lies(bench) -> None:
    after = bench.volume()
    move = ("volume.move", "volume.rest", "mark", {"address": "volume.data"}, {"address": "volume.rest"})
    assert bench.probe(*move).found is Found.NOT_STARTED
    bench.perform(*move)
    bench.perform(*move)
    assert bench.probe(*move).found is Found.DONE
    assert list(bench.look().things["shop"]) == ["volume.rest"]
    assert bench.part("volume.rest", "volume") == after
    bench.undo(*move)
    assert bench.part("volume.data", "volume") == after


def test_a_rename_of_nothing_or_onto_something_is_refused(bench) -> None:
    move = ("volume.move", "volume.rest", "mark", {"address": "volume.data"}, {"address": "volume.rest"})
    with pytest.raises(Permanent, match="nothing to rename"):
        bench.perform(*move)
    assert bench.probe(*move).found is Found.CONTRADICTED
    bench.volume()
    bench.volume("rest")
    with pytest.raises(Conflict, match=r"`volume\.rest` is there already"):
        bench.perform(*move)
    assert bench.probe(*move).found is Found.CONTRADICTED
