"""A daemon that lives and does not answer, as one that a signal has stopped: said with the way out, and never waited for in silence.

Before it was handed anything, a command does without it: locks keep the two apart, whenever the daemon goes on. What it was handed it may
have begun, so then the command waits for it.
"""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from herocloud.apply.steering import Interrupts
    from herocloud.rpc.client import Client

ANSWER_SECONDS = 5.0
"""A daemon answers a short question in milliseconds; for so long one may take on a host that is busy."""
IMPATIENT = 2
"""Requests to stop after which nobody is waited for."""


@contextlib.contextmanager
def left_when_asked(folder: Path, interrupts: "Interrupts", client: "Client") -> Iterator[None]:
    """Break off what is waited for inside, once somebody is impatient and the daemon of a data folder does not answer."""
    requests: queue.SimpleQueue[object] = queue.SimpleQueue()
    interrupts.attach(requests)
    threading.Thread(target=_leave_when_asked, args=(folder, interrupts, client, requests), daemon=True).start()
    try:
        yield
    finally:
        interrupts.detach(requests)
        requests.put(None)


def _leave_when_asked(folder: Path, interrupts: "Interrupts", client: "Client", requests: "queue.SimpleQueue[object]") -> None:
    while requests.get() is not None:
        if interrupts.requests >= IMPATIENT and _is_silent(folder):
            client.break_off()
            return


def _is_silent(folder: Path) -> bool:
    from herocloud.rpc.daemon import daemon_process
    from herocloud.state import holders

    process = daemon_process.find(folder)
    # One that is dead closes its connections.
    return process is not None and (holders.is_stopped(process.pid) or not daemon_process.is_answering(process, ANSWER_SECONDS))


@contextlib.contextmanager
def watched(folder: Path, note: Callable[[str], None]) -> Iterator[None]:
    """Say when the daemon of a data folder falls silent while inside, and when it answers again."""
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(folder, note, done), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()


def _watch(folder: Path, note: Callable[[str], None], done: threading.Event) -> None:
    from herocloud.rpc.daemon import daemon_process

    silent = False
    while not done.wait(ANSWER_SECONDS):
        process = daemon_process.find(folder)
        if process is None:
            # It has ended, which the wait for it finds out by itself.
            continue
        answers = daemon_process.is_answering(process, ANSWER_SECONDS)
        if done.is_set() or answers != silent:
            continue
        silent = not answers
        note("the daemon answers again" if answers else f"{daemon_process.say_silent(process)}; this waits for it")
