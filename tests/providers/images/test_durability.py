"""What a power cut may not take: things are on the disk before they have their names, and those before the mark says done."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def events(bench, monkeypatch, real_syncing):
    """Record what is synced and what is renamed, by names relative to the data folder; a folder ends with a slash."""
    seen = []
    sync, rename, replace = os.fsync, Path.rename, Path.replace

    def name(path):
        path = Path(path)
        short = str(path.relative_to(bench.folder)) if path.is_relative_to(bench.folder) else str(path)
        return f"{short}/" if path.is_dir() else short

    def watch_sync(descriptor):
        seen.append(("sync", name(Path(f"/proc/self/fd/{descriptor}").readlink())))
        sync(descriptor)

    def watch(real):
        def wrapped(self, target):
            seen.append(("name", name(target)))
            return real(self, target)

        return wrapped

    monkeypatch.setattr(os, "fsync", watch_sync)
    monkeypatch.setattr(Path, "rename", watch(rename))
    monkeypatch.setattr(Path, "replace", watch(replace))
    return seen


def order(events, *wanted):
    """Assert that these events come in this order, with others between them."""
    rest = iter(events)
    for one in wanted:
        assert any(event == one for event in rest), f"{one} does not come where it should in {events}"


def test_a_disk_is_whole_before_it_has_its_name(bench, raw, events) -> None:
    body = bench.image(raw)
    events.clear()
    bench.disk(body)
    order(
        events,
        ("name", "vms/v1/owner.json"),
        ("name", "vms/v1/root.raw.mark"),
        ("sync", "vms/v1/"),
        ("sync", "vms/v1/.root.raw.new"),
        ("name", "vms/v1/root.raw"),
        ("sync", "vms/v1/"),
        ("sync", "vms/v1/.root.raw.mark.new"),
        ("name", "vms/v1/root.raw.mark"),
        ("sync", "vms/v1/"),
    )


def test_new_folders_are_named_durably_too(bench, raw, events) -> None:
    bench.volume()
    order(events, ("sync", "./"), ("sync", "volumes/"), ("name", "volumes/shop/data.raw"))


def test_a_content_is_whole_before_its_entry_says_so(bench, raw, events) -> None:
    bench.image(raw)
    stored = next((bench.folder / "images/store").glob("*.raw")).relative_to(bench.folder)
    part = next(name for what, name in events if what == "sync" and name.endswith(".part"))
    order(
        events,
        ("name", "images/names/shop/debian.mark"),
        ("sync", part),
        ("name", str(stored)),
        ("sync", "images/store/"),
        ("name", str(stored.with_suffix(".json"))),
        ("sync", "images/store/"),
        ("name", "images/names/shop/debian.mark"),
    )


def test_a_tombstone_says_what_it_keeps_before_it_keeps_it(bench, events) -> None:
    before = bench.volume()
    events.clear()
    bench.perform("volume.delete", "volume.data", "volume", before, None)
    key = bench.driver.tombstones()[0].key
    order(
        events,
        ("name", "volumes/shop/data.raw.mark"),
        ("name", f"tombstones/{key}/note.json"),
        ("sync", f"tombstones/{key}/"),
        ("name", f"tombstones/{key}/data"),
        ("sync", f"tombstones/{key}/"),
        ("sync", "volumes/shop/"),
    )


def test_a_growth_is_on_the_disk_before_the_mark_says_so(bench, events) -> None:
    before = bench.volume()
    events.clear()
    bench.perform("volume.grow", "volume.data", "volume", before, {**before, "size": 2 * before["size"]})
    order(events, ("name", "volumes/shop/data.raw.mark"), ("sync", "volumes/shop/data.raw"), ("name", "volumes/shop/data.raw.mark"))


def test_a_seed_is_whole_before_it_has_its_name(bench, shapes, events) -> None:
    bench.perform("seed.write", "vm.web", "seed", None, shapes.SEED, spec=shapes.spec())
    order(
        events,
        ("sync", "vms/v1/.seed.iso.new"),
        ("name", "vms/v1/seed.iso"),
        ("sync", "vms/v1/"),
        ("name", "vms/v1/seed.iso.mark"),
        ("sync", "vms/v1/"),
    )
