"""Images come over HTTP from servers that cut, lie, stall and change their mind; what ends up in the store is right or not there."""

import threading

import pytest

from herocloud.model.errors import Permanent, Temporary


def fetch(bench, url, sha256=None, **fields):
    """Fetch an image; returns the content that disks will be copied from."""
    bench.image(url, sha256=sha256, unpinned=sha256 is None, **fields)
    (stored,) = (bench.folder / "images/store").glob("*.raw")
    return stored.read_bytes()


def left_over(bench):
    """Name what a failed fetch has left behind, besides the mark that says so."""
    return [name for name in bench.files() if not name.endswith("debian.mark")]


@pytest.mark.parametrize("pinned", [True, False])
def test_an_image_arrives_whole_and_zeros_take_no_room(bench, server, shapes, pinned) -> None:
    data = shapes.content()
    assert fetch(bench, server.put(data), shapes.sha256(data) if pinned else None) == data
    (stored,) = (bench.folder / "images/store").glob("*.raw")
    assert stored.stat().st_blocks * 512 < len(data) / 4
    assert bench.look().images == {server.url(): len(data)}


@pytest.mark.parametrize("pinned", [True, False])
def test_a_download_that_was_cut_goes_on_where_it_stopped(bench, server, shapes, pinned) -> None:
    data = shapes.content()
    server.tricks = [shapes.cut(1_000_000), shapes.cut(1_000_000)]
    assert fetch(bench, server.put(data), shapes.sha256(data) if pinned else None) == data
    assert [one.get("Range") for one in server.requests] == [None, "bytes=1000000-", "bytes=2000000-"]
    assert all("If-Range" in one for one in server.requests[1:])


def test_content_that_changed_between_two_pieces_is_taken_from_the_start(bench, server, shapes) -> None:
    new = shapes.content(seed=2)
    server.tricks = [lambda handler, _data: handler.answer(shapes.content(seed=1), cut=1_000_000)]
    assert fetch(bench, server.put(new)) == new


def test_a_server_that_ignores_if_range_does_not_get_two_halves_joined(bench, server, shapes) -> None:
    new, old = shapes.content(seed=2), shapes.content(seed=1)

    def wrong_piece(handler, data):
        handler.headers.replace_header("If-Range", '"other"') if "If-Range" in handler.headers else None
        handler.answer(data, etag='"other"')

    server.tricks = [lambda handler, _data: handler.answer(old, cut=1_000_000), wrong_piece]
    assert fetch(bench, server.put(new)) == new


def test_halves_of_two_contents_are_noticed_by_the_checksum_and_fetched_again(bench, server, shapes) -> None:
    new, old = shapes.content(seed=2), shapes.content(seed=1)

    def as_before(handler, data, **options):
        handler.answer(data, etag='"same"', **options)

    server.tricks = [lambda handler, _data: as_before(handler, old, cut=1_000_000), as_before]
    assert fetch(bench, server.put(new), shapes.sha256(new)) == new
    assert [one.get("Range") for one in server.requests] == [None, "bytes=1000000-", None]


def test_a_server_without_ranges_sends_everything_again(bench, server, shapes) -> None:
    data = shapes.content()

    def whole(handler, data):
        del handler.headers["Range"]
        handler.answer(data)

    server.tricks = [shapes.cut(1_000_000), whole]
    assert fetch(bench, server.put(data), shapes.sha256(data)) == data


def test_a_length_that_promises_too_much_is_not_believed(bench, server, shapes) -> None:
    data = shapes.content()
    server.tricks = [lambda handler, data: handler.answer(data, cut=len(data), length=len(data) + 1)]
    assert fetch(bench, server.put(data), shapes.sha256(data)) == data
    # The second request asks behind the end, and 416 says that nothing is missing.
    assert server.requests[1]["Range"] == f"bytes={len(data)}-"


def test_a_length_that_promises_too_little_is_noticed_by_the_checksum(bench, server, shapes) -> None:
    data = shapes.content()
    server.tricks = [lambda handler, data: handler.answer(data, cut=2_000_000, length=2_000_000)]
    with pytest.raises(Permanent, match="the checksum is wrong"):
        fetch(bench, server.put(data), shapes.sha256(data))
    assert left_over(bench) == []


def test_a_wrong_checksum_keeps_nothing_and_says_both(bench, server, shapes) -> None:
    data = shapes.content()
    with pytest.raises(Permanent) as caught:
        fetch(bench, server.put(data), "0" * 64)
    assert "0" * 64 in str(caught.value)
    assert shapes.sha256(data) in str(caught.value)
    assert left_over(bench) == []


def test_a_server_that_falls_silent_is_asked_again(bench, server, shapes) -> None:
    data = shapes.content()
    server.tricks = [shapes.stall(500_000), shapes.stall()]
    assert fetch(bench, server.put(data), shapes.sha256(data)) == data
    assert len(server.requests) == 3


def test_a_server_that_stays_silent_is_given_up_and_what_came_is_kept(bench, server, shapes) -> None:
    data = shapes.content()
    server.tricks = [shapes.cut(500_000), *[shapes.mute for _ in range(8)]]
    with pytest.raises(Temporary, match=r"nothing came for 0\.4 s"):
        fetch(bench, server.put(data), shapes.sha256(data))
    server.tricks = []
    assert fetch(bench, server.url(), shapes.sha256(data)) == data
    assert server.requests[-1]["Range"] == "bytes=500000-"


@pytest.mark.parametrize("code", [500, 502, 503, 429])
def test_trouble_that_passes_is_waited_for(bench, server, shapes, code) -> None:
    data = shapes.content()
    server.tricks = [shapes.status(code, Retry_After="1")]
    assert fetch(bench, server.put(data), shapes.sha256(data)) == data


def test_trouble_that_stays_is_told_as_temporary(bench, server, shapes) -> None:
    server.tricks = [shapes.status(500) for _ in range(9)]
    with pytest.raises(Temporary, match="the server answered 500 Internal Server Error"):
        fetch(bench, server.put(b"x"), "0" * 64)
    assert len(server.requests) == 3


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_refusal_is_final_at_once(bench, server, shapes, code) -> None:
    server.tricks = [shapes.status(code)]
    with pytest.raises(Permanent, match=f"the server answered {code}"):
        fetch(bench, server.put(b"x"), "0" * 64)
    assert len(server.requests) == 1
    assert left_over(bench) == []


def test_416_for_a_piece_that_is_longer_than_the_file_starts_over(bench, server, shapes) -> None:
    data = shapes.content()

    def as_before(handler, data, **options):
        handler.answer(data, etag='"same"', **options)

    server.tricks = [lambda handler, _data: as_before(handler, data + data, cut=len(data) + 5), as_before]
    assert fetch(bench, server.put(data), shapes.sha256(data)) == data
    assert [one.get("Range") for one in server.requests] == [None, f"bytes={len(data) + 5}-", None]


def test_redirects_are_followed_and_a_circle_of_them_is_not(bench, server, shapes) -> None:
    data = shapes.content()
    server.put(data, "real.raw")
    server.put(b"", "old.raw")
    server.tricks = [shapes.status(302, Location="/real.raw")]
    assert fetch(bench, server.url("old.raw"), shapes.sha256(data)) == data
    server.tricks = [shapes.status(302, Location="/old.raw") for _ in range(20)]
    with pytest.raises(Permanent, match="redirects more than 8 times"):
        bench.image(server.url("old.raw"), name="other", unpinned=True)


def test_a_redirect_out_of_the_web_is_refused(bench, server, shapes) -> None:
    server.tricks = [shapes.status(302, Location="file:///etc/passwd")]
    with pytest.raises(Permanent, match="not an address to download from"):
        fetch(bench, server.put(b"x"))


def test_nobody_there_is_temporary(bench, server, shapes) -> None:
    url = server.put(b"x").replace(str(server.server_port), "1")
    with pytest.raises(Temporary):
        fetch(bench, url)


def test_a_remote_image_needs_a_checksum_or_a_word_that_it_has_none(bench, server) -> None:
    with pytest.raises(Permanent, match="without a `sha256`"):
        bench.image(server.put(b"x"))
    assert server.requests == []


def test_passwords_and_signatures_in_an_address_are_not_repeated(bench, server, shapes) -> None:
    url = server.put(b"x").replace("http://", "http://me:hush@") + "?signature=hush"
    server.tricks = [shapes.status(403)]
    with pytest.raises(Permanent) as caught:
        fetch(bench, url)
    assert "hush" not in str(caught.value)


def test_a_cancelled_download_goes_on_from_what_it_had(bench, server, shapes) -> None:
    data = shapes.content(24 * shapes.MIB)
    body = shapes.image(server.put(data), sha256=shapes.sha256(data))
    step = ("image.fetch", "image.debian", "image", None, body)
    heard: list[float] = []
    with pytest.raises(Temporary, match="was cancelled"):
        bench.perform(*step, cancelled=lambda: len(heard) > 20, progress=lambda _text, share: heard.append(share or 0.0))
    assert 0 < max(heard) < 1
    bench.perform(*step)
    assert int(server.requests[-1]["Range"].removeprefix("bytes=").rstrip("-")) > 0


def test_many_waiters_in_one_process_cause_one_download(server, shapes, tmp_path) -> None:
    data = shapes.content()
    body = shapes.image(server.put(data), unpinned=True)
    gate = threading.Event()
    server.tricks = [lambda handler, data: (gate.wait(20), handler.answer(data))]
    benches = [shapes.Bench(tmp_path / "data") for _ in range(4)]
    waiting = threading.Semaphore(0)

    def pull(number):
        one = benches[number]
        one.perform(
            "image.fetch", f"image.i{number}", "image", None, body,
            progress=lambda text, _share: waiting.release() if text.startswith("waiting") else None,
        )  # fmt: skip

    threads = [threading.Thread(target=pull, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        assert waiting.acquire(timeout=20)
    gate.set()
    for thread in threads:
        thread.join(timeout=20)
    assert len(server.requests) == 1
    assert len([one for one in benches[0].look().things["shop"].values() if "image" in one.parts]) == 4
