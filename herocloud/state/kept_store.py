"""The state of a process that writes often, kept open between its operations.

Opening looks through the state, and closing moves the log into it: with hundreds of operations a minute that costs more than what they
write. So the last store stays open for a moment, and others who come meanwhile share it. Once nobody has used it for `IDLE_SECONDS` it is
closed as at the end of any command, and the folder is at rest: a backup of it is whole, and another one may take its place.

A store is not handed out again after a failure, nor once its file was removed, replaced or written to by somebody else: a new one is
opened, with everything that is asked of a state then.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from herocloud.state import state_files
from herocloud.state.state_files import Sign
from herocloud.state.store import Store, open_state

IDLE_SECONDS = 0.5


class _Shared:
    """One open store, and how many use it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.users = 0
        self.failed = False
        self.left_as: Sign | None = None
        """The file as the last user left it."""


class KeptStore:
    """The state of one data folder, open while it is in use."""

    def __init__(self, folder: Path, idle_seconds: float = IDLE_SECONDS) -> None:
        """Open nothing yet."""
        self._folder = folder
        self._path = state_files.database(folder)
        self._idle_seconds = idle_seconds
        self._changed = threading.Condition()
        self._newest: _Shared | None = None
        self._uses = 0
        """Grows with each beginning and end of a use."""
        self._closer: threading.Thread | None = None
        self._ends = False

    @contextmanager
    def borrow(self) -> Iterator[Store]:
        """Have the store while inside; others may have it too."""
        shared = self._take()
        try:
            yield shared.store
        except BaseException as error:
            shared.failed = shared.failed or _is_of_the_disk(error)
            raise
        finally:
            self._give_back(shared)

    def close(self) -> None:
        """Close as soon as nobody uses it; what is borrowed from now on is closed at its end."""
        with self._changed:
            self._ends = True
            self._retire()
            self._changed.notify_all()
            closer = self._closer
        if closer is not None:
            closer.join()

    def _take(self) -> _Shared:
        with self._changed:
            newest = self._newest
            if newest is not None and not self._is_good(newest):
                self._retire()
                newest = None
            if newest is None:
                opened = open_state(self._folder, write=True)
                assert opened is not None  # noqa: S101  (opening for writing makes what is not there)
                try:
                    opened.ask_beside()
                    opened.keep_little()
                except BaseException:
                    opened.close()
                    raise
                newest = self._newest = _Shared(opened)
            newest.users += 1
            self._uses += 1
            return newest

    def _is_good(self, shared: _Shared) -> bool:
        if shared.failed:
            return False
        now = state_files.sign_of(self._path)
        # In use, the file changes under those who use it; each write of theirs looks whether it is still the same one.
        return now is not None and (now == shared.left_as if not shared.users else now.file == shared.store.file)

    def _give_back(self, shared: _Shared) -> None:
        with self._changed:
            shared.users -= 1
            self._uses += 1
            if shared.users:
                return
            if shared is not self._newest:
                shared.store.close()
                return
            shared.left_as = state_files.sign_of(self._path)
            if self._ends or shared.failed:
                self._retire()
            elif self._closer is None:
                self._closer = threading.Thread(target=self._close_when_idle, name="state", daemon=True)
                self._closer.start()

    def _retire(self) -> None:
        """Give this store to nobody any more; the last of those who have it closes it."""
        shared, self._newest = self._newest, None
        if shared is not None and not shared.users:
            shared.store.close()

    def _close_when_idle(self) -> None:
        with self._changed:
            while self._newest is not None and not self._ends:
                uses = self._uses
                self._changed.wait(self._idle_seconds)
                if self._uses == uses and self._newest is not None and not self._newest.users:
                    self._retire()
            self._closer = None


def _is_of_the_disk(error: BaseException) -> bool:
    """Return whether an error comes from the state's file, which another connection may find in a better state."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, sqlite3.Error | OSError):
            return True
        cause = cause.__cause__
    return False
