"""Nothing is written that does not fit, and the message has all the numbers that a person needs."""

import lzma
import os
import random

import pytest

from herocloud.model.errors import Permanent
from herocloud.model.hosts import Host
from herocloud.providers.images.space import Bounds, Room


def host(shapes, **fields):
    """Return a host with a disk of 100 MiB, of which images take a fifth."""
    whole = {"disk": 100 * shapes.MIB, "disk_free": 0, "image_share": 0.2, "image_keep_free": 0, **fields}
    return Host(
        "node1", 0, whole["disk"], whole["disk_free"], 1, (), image_share=whole["image_share"], image_keep_free=whole["image_keep_free"]
    )


def make_bench(shapes, tmp_path, **fields):
    return shapes.Bench(tmp_path / "data", host(shapes, **fields))


def test_images_take_their_share_of_the_disk_and_no_more(server, shapes, tmp_path) -> None:
    bench = make_bench(shapes, tmp_path, image_share=0.02)
    data = shapes.content()
    with pytest.raises(Permanent) as caught:
        bench.image(server.put(data), unpinned=True)
    assert str(caught.value) == (
        "image storage limit exceeded: 0 B used, image `debian` needs 3 MiB more, limit is 2 MiB (2% of the disk). "
        "Prune images that nothing uses, or raise `images: share` in host.yaml."
    )
    assert [name for name in bench.files() if not name.endswith("debian.mark")] == []


def test_what_is_stored_already_counts(server, shapes, tmp_path) -> None:
    bench = make_bench(shapes, tmp_path, image_share=0.04)
    noise = random.Random(1).randbytes(3 * shapes.MIB)
    bench.image(server.put(noise), unpinned=True)
    with pytest.raises(Permanent, match="3 MiB used, image `other` needs 3 MiB more, limit is 4 MiB"):
        bench.image(server.put(shapes.content(seed=2), "other.raw"), name="other", unpinned=True)


def test_a_part_of_the_disk_stays_free(server, shapes, tmp_path) -> None:
    bench = make_bench(shapes, tmp_path, image_keep_free=1024**5)
    with pytest.raises(Permanent, match=r"insufficient disk space for image `debian`: .* available, 3 MiB needed, 1 PiB stay free"):
        bench.image(server.put(shapes.content()), unpinned=True)


def test_a_server_that_does_not_tell_the_length_is_stopped_at_the_limit(server, shapes, tmp_path) -> None:
    bench = make_bench(shapes, tmp_path, image_share=0.5)
    sent = []

    def endless(handler, data):
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        noise = os.urandom(1024**2)
        try:
            while len(sent) < 400:
                handler.wfile.write(noise)
                sent.append(1)
        finally:
            handler.close_connection = True

    server.tricks = [endless]
    with pytest.raises(Permanent, match="image storage limit exceeded"):
        bench.image(server.put(b"x"), unpinned=True)
    # It is asked every 64 MiB, and connections hold some more.
    assert len(sent) < 200


def test_a_file_that_unpacks_to_more_than_there_is_room_for_is_stopped(shapes, tmp_path) -> None:
    bench = make_bench(shapes, tmp_path)
    # Noise in small pieces: it packs well and is still no zeros, which would take no room.
    bomb = tmp_path / "bomb.xz"
    bomb.write_bytes(lzma.compress(random.Random(1).randbytes(64 * 1024) * 1400, preset=0))
    assert bomb.stat().st_size < shapes.MIB
    with pytest.raises(Permanent, match="image storage limit exceeded"):
        bench.image(bomb, decompress="xz")
    assert [name for name in bench.files() if not name.endswith("debian.mark")] == []


def test_a_local_file_is_weighed_before_it_is_copied(raw, shapes, tmp_path) -> None:
    bench = make_bench(shapes, tmp_path, image_share=0.0)
    with pytest.raises(Permanent, match=r"limit is 0 B \(0% of the disk\)"):
        bench.image(raw)


def test_a_copy_that_the_disk_has_no_room_for_is_refused(tmp_path, shapes) -> None:
    room = Room(tmp_path / "not" / "yet" / "there", Bounds())
    room.require_for_copy(1, "a disk")
    with pytest.raises(Permanent, match=r"no space left on the disk for a disk: .* available, 1 PiB needed"):
        room.require_for_copy(1024**5, "a disk")
