"""Several processes on one data folder: one fetches, the others wait; whoever is killed leaves something to go on from."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest

from herocloud.providers.seam import Found

PULL = """
import json, sys
from pathlib import Path
from herocloud.model.hosts import Host
from herocloud.model.steps import Step
from herocloud.providers.images import driving
from herocloud.providers.seam import Work

def told(text, _share):
    print(text.partition(",")[0], flush=True)

number, body = sys.argv[2], json.loads(sys.argv[3])
step = Step(f"image.i{number}/image.fetch", f"image.i{number}", "image.fetch", "images", "image", None, body)
host = Host("node1", 0, 1024**4, 0, 1, (), image_share=1.0, image_keep_free=0)
driving.ImagesDriver(Path(sys.argv[1]), host).perform(Work(step, "shop", {}, "ours", "p1", progress=told))
print("done", flush=True)
"""


@pytest.fixture
def pull(bench):
    """Return a function that starts a process which fetches an image."""
    with ExitStack() as stack:

        def start(number, body):
            command = [sys.executable, "-c", PULL, str(bench.folder), str(number), json.dumps(body)]
            child = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)))
            stack.callback(child.kill)
            return child

        yield start


def wait_for(child, word):
    """Read what a child tells until it says the word; returns all of it."""
    said = []
    for line in child.stdout:
        said.append(line.strip())
        if said[-1] == word:
            return said
    raise AssertionError(f"it ended without saying {word}: {said}")


@pytest.mark.parametrize("pinned", [True, False])
def test_two_processes_that_pull_one_image_fetch_it_once(bench, server, shapes, pull, pinned) -> None:
    data = shapes.content()
    gate = threading.Event()
    server.tricks = [lambda handler, data: (gate.wait(30), handler.answer(data))]
    url = server.put(data)
    body = shapes.image(url, sha256=shapes.sha256(data)) if pinned else shapes.image(url, unpinned=True)
    children = [pull(number, body) for number in range(2)]
    # Whichever comes second says that it waits; only then may the first one go on.
    waiting = threading.Event()
    said = [[], []]

    def listen(number):
        for line in children[number].stdout:
            said[number].append(line.strip())
            if line.startswith("waiting"):
                waiting.set()

    listeners = [threading.Thread(target=listen, args=(number,), daemon=True) for number in range(2)]
    for one in listeners:
        one.start()
    assert waiting.wait(30)
    gate.set()
    for one in listeners:
        one.join(timeout=30)
    assert [one[-1] for one in said] == ["done", "done"]
    assert len(server.requests) == 1
    assert len(list((bench.folder / "images/store").glob("*.raw"))) == 1
    assert sorted(bench.look().things["shop"]) == ["image.i0", "image.i1"]


def test_a_download_that_was_killed_goes_on_where_it_stopped(bench, server, shapes, pull) -> None:
    data = shapes.content(8 * shapes.MIB)
    url = server.put(data)
    arrived = threading.Event()

    def half(handler, data):
        handler.send_response(200)
        handler.send_header("ETag", f'"{shapes.sha256(data)[:16]}"')
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[: 4 * shapes.MIB])
        arrived.wait(30)
        handler.close_connection = True

    server.tricks = [half]
    body = shapes.image(url, sha256=shapes.sha256(data))
    child = pull(0, body)
    wait_for(child, "downloading")
    part = next((bench.folder / "images/downloads").glob("*.part"))
    pause = threading.Event()
    assert any(part.stat().st_size >= 2 * shapes.MIB or pause.wait(0.01) for _ in range(3000))
    child.send_signal(signal.SIGKILL)
    child.wait(timeout=30)
    arrived.set()
    step = ("image.fetch", "image.i0", "image", None, body)
    assert bench.probe(*step)[:2] == (Found.PARTIAL, "`image.i0` is half-way: image is downloading")
    bench.perform(*step)
    assert int(server.requests[1]["Range"].removeprefix("bytes=").rstrip("-")) >= 2 * shapes.MIB
    assert next((bench.folder / "images/store").glob("*.raw")).read_bytes() == data
    assert list((bench.folder / "images/downloads").iterdir()) == []


def test_a_killed_download_whose_process_held_the_lock_keeps_nobody_waiting(bench, server, shapes, pull) -> None:
    data = shapes.content()
    url = server.put(data)
    begun = threading.Event()
    server.tricks = [lambda handler, _data: (begun.set(), handler.server.stopping.wait(30))]
    body = shapes.image(url, unpinned=True)
    child = pull(0, body)
    assert begun.wait(30)
    child.send_signal(signal.SIGKILL)
    child.wait(timeout=30)
    bench.perform("image.fetch", "image.i0", "image", None, body)
    assert bench.part("image.i0", "image") == body


def test_what_was_downloaded_by_one_that_died_when_the_content_was_made_is_thrown_away_by_the_next(bench, server, shapes) -> None:
    data = shapes.content()
    body = shapes.image(server.put(data), sha256=shapes.sha256(data))
    bench.perform("image.fetch", "image.i0", "image", None, body)
    # Killed between the two: the content is in the store, and what it was made from is still there.
    left = bench.folder / "images/downloads" / f"{shapes.sha256(data)}.part"
    left.write_bytes(data)
    bench.perform("image.fetch", "image.i1", "image", None, body)
    assert len(server.requests) == 1
    assert not left.exists()
