"""A daemon that lives and does not answer, as one that a signal has stopped: said with the way out, and never waited for in silence.

Before it was handed anything, a command does without it: locks keep the two apart, whenever the daemon goes on. What it was handed it may
have begun, so then the command waits for it.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

ANSWER_SECONDS = 5.0
"""A daemon answers a short question in milliseconds; for so long one may take on a host that is busy."""


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
    from herocloud.rpc import daemon_process

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
