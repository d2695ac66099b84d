"""Only what nothing uses is pruned, and what rots in the store is noticed."""

import os

from herocloud.providers.images import store_audit
from herocloud.providers.images.content_store import Store


def forget(bench, body, name="debian", **more):
    bench.perform("image.delete", f"image.{name}", "image", body, None, **more)


def test_an_image_that_was_deleted_stays_until_it_is_pruned(bench, raw) -> None:
    forget(bench, bench.image(raw))
    (stored,) = store_audit.list_contents(bench.folder)
    assert stored.users == ()
    assert store_audit.prune(bench.folder, rehearse=True).contents == (stored,)
    pruned = store_audit.prune(bench.folder)
    assert (pruned.contents, pruned.bytes) == ((stored,), stored.bytes)
    assert bench.files() == []
    assert store_audit.prune(bench.folder) == ((), (), 0)


def test_what_an_image_of_any_stack_points_at_stays(bench, raw, shapes) -> None:
    body = bench.image(raw, sha256=shapes.sha256(raw.read_bytes()))
    bench.perform("image.fetch", "image.other", "image", None, body, stack="second")
    (stored,) = store_audit.list_contents(bench.folder)
    assert stored.users == ("image.other of stack second", "image.debian of stack shop")
    forget(bench, body)
    assert store_audit.prune(bench.folder) == ((), (), 0)
    bench.perform("image.delete", "image.other", "image", body, None, stack="second")
    assert len(store_audit.prune(bench.folder).contents) == 1


def test_what_a_record_names_stays(bench, raw, shapes) -> None:
    sha256 = shapes.sha256(raw.read_bytes())
    forget(bench, bench.image(raw))
    assert store_audit.prune(bench.folder, recorded={sha256}).contents == ()
    assert store_audit.prune(bench.folder, recorded={str(raw)}).contents == ()
    assert len(store_audit.prune(bench.folder, recorded={"another"}).contents) == 1


def test_what_somebody_fetches_at_the_moment_stays(bench, raw, shapes) -> None:
    forget(bench, bench.image(raw))
    with Store(bench.folder).lock(shapes.sha256(raw.read_bytes())):
        assert store_audit.prune(bench.folder).contents == ()
    assert len(store_audit.prune(bench.folder).contents) == 1


def test_a_purge_takes_the_content_that_nobody_else_uses(bench, raw) -> None:
    body = bench.image(raw)
    bench.image(raw, name="same")
    forget(bench, body, purge=True)
    assert len(store_audit.list_contents(bench.folder)) == 1
    forget(bench, body, name="same", purge=True)
    assert bench.files() == []


def test_disks_outlive_the_image_they_were_made_from(bench, raw) -> None:
    body = bench.image(raw)
    bench.disk(body)
    forget(bench, body)
    store_audit.prune(bench.folder)
    assert (bench.folder / "vms/v1/root.raw").read_bytes().startswith(raw.read_bytes())


def test_an_undone_deletion_finds_the_very_content_of_before(bench, raw, shapes) -> None:
    body = bench.image(raw)
    forget(bench, body)
    raw.write_bytes(shapes.content(seed=2))
    bench.undo("image.delete", "image.debian", "image", body, None)
    assert bench.part("image.debian", "image") == body
    (stored,) = (bench.folder / "images/store").glob("*.raw")
    assert stored.read_bytes() == shapes.content(seed=1)


def test_unfinished_downloads_go_when_nobody_goes_on_with_them(bench, server, shapes) -> None:
    import pytest

    from herocloud.model.errors import Temporary

    server.tricks = [shapes.cut(1_000_000), *[shapes.mute] * 5]
    with pytest.raises(Temporary):
        bench.image(server.put(shapes.content()), unpinned=True)
    pruned = store_audit.prune(bench.folder)
    assert len(pruned.downloads) == 1
    assert [name for name in bench.files() if name.startswith("images/downloads")] == []


def test_contents_that_changed_in_the_store_are_named(bench, raw, shapes) -> None:
    bench.image(raw)
    packed = raw.with_suffix(".gz")
    packed.write_bytes(shapes.gzip(shapes.content(seed=2)))
    bench.image(packed, name="packed", decompress="gzip")
    assert [one.wrong for one in store_audit.verify(bench.folder)] == [None, None]
    for path in (bench.folder / "images/store").glob("*.raw"):
        with path.open("r+b") as stream:
            stream.seek(2_000_000)
            stream.write(b"rot")
    wrong = {one.entry.source: one.wrong for one in store_audit.verify(bench.folder)}
    assert wrong[str(raw)].startswith("its sha256 is ")
    assert wrong[str(packed)] == "its content has changed since it was stored"
    for path in (bench.folder / "images/store").glob("*.raw"):
        os.truncate(path, 512)
    assert {one.wrong for one in store_audit.verify(bench.folder)} == {"it is 512 bytes long and should be 3145728"}


def test_a_content_that_somebody_deleted_by_hand_makes_the_image_vanish(bench, raw) -> None:
    body = bench.image(raw)
    next((bench.folder / "images/store").glob("*.raw")).unlink()
    assert bench.thing("image.debian") is None
    assert bench.look().images == {}
    bench.perform("image.fetch", "image.debian", "image", None, body)
    assert bench.part("image.debian", "image") == body
