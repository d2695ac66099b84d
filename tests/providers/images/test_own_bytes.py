"""What our own disks take of the file system is known, so that a plan may count on it."""

import os
import random

import pytest

from herocloud.host import machine
from herocloud.providers.images import copies, space

MIB = 1024**2


def put(path, size):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(random.Random(1).randbytes(size))
    # Until then a file system may not have decided where to put it.
    os.sync()


def test_disks_volumes_and_tombstones_count_with_what_they_take(tmp_path) -> None:
    assert space.own_bytes(tmp_path) == 0
    put(tmp_path / "vms/v1/root.raw", 2 * MIB)
    os.truncate(tmp_path / "vms/v1/root.raw", 500 * MIB)
    put(tmp_path / "volumes/shop/data.raw", 3 * MIB)
    put(tmp_path / "tombstones/shop-old-1/data", MIB)
    put(tmp_path / "images/store/any.raw", 7 * MIB)
    put(tmp_path / "vms/v1/seed.iso", MIB)
    put(tmp_path / "vms/stray", MIB)
    put(tmp_path / "vms/v1/vmm/serial.log.1", MIB)
    assert space.own_bytes(tmp_path) == pytest.approx(8 * MIB, abs=64 * 1024)
    assert space.stored_bytes(tmp_path) == pytest.approx(7 * MIB, abs=64 * 1024)


def test_the_host_counts_it_as_free(tmp_path) -> None:
    put(tmp_path / "volumes/shop/data.raw", MIB)
    plain, counted = (machine.make_host(tmp_path, 0, own).host for own in (0, 10**9))
    assert counted.disk_free - plain.disk_free == pytest.approx(10**9, abs=500 * MIB)


@pytest.mark.root
def test_blocks_that_a_disk_shares_with_its_image_do_not_count(sharing) -> None:
    put(sharing / "image", 32 * MIB)
    disk = sharing / "vms/v1/root.raw"
    disk.parent.mkdir(parents=True)
    assert copies.clone(sharing / "image", disk)
    assert space.own_bytes(sharing) < MIB
    with disk.open("r+b") as stream:
        for place in range(0, 16 * MIB, MIB):
            stream.seek(place)
            stream.write(random.Random(2).randbytes(MIB // 4))
    os.sync()
    assert space.own_bytes(sharing) == pytest.approx(4 * MIB, abs=MIB)


@pytest.mark.root
def test_a_folder_behind_a_link_is_judged_by_where_it_lies(sharing, tmp_path) -> None:
    put(sharing / "data/image", 8 * MIB)
    disk = sharing / "data/vms/v1/root.raw"
    disk.parent.mkdir(parents=True)
    assert copies.clone(sharing / "data/image", disk)
    os.sync()
    link = tmp_path / "link"
    link.symlink_to(sharing / "data")
    assert space.own_bytes(link) < MIB
