"""What is kept open from one use to the next in a process that stays: a command opens it and closes it again."""

import threading
from collections.abc import Callable
from typing import Protocol, TypeVar


class Closable(Protocol):
    """Something open."""

    def close(self) -> None:
        """Close it."""
        ...


Open = TypeVar("Open", bound=Closable)


class KeptOpen:
    """All that one process keeps open, each thing by its kind and what it is about."""

    def __init__(self) -> None:
        """Start with nothing open."""
        self._turn = threading.Lock()
        self._open: dict[tuple[object, ...], Closable] = {}
        self._closed = False

    def find(self, kind: type[Open], *about: object) -> Open | None:
        """Return the one of its kind that is about this, made when nobody asked before; nothing once the process is about to end."""
        with self._turn:
            if self._closed:
                return None
            found = self._open.get((kind, *about))
            if found is None:
                make: Callable[..., Open] = kind
                found = self._open[(kind, *about)] = make(*about)
            assert isinstance(found, kind)  # noqa: S101  (its kind is part of the key)
            return found

    def close(self) -> None:
        """Close everything, and keep nothing open from now on."""
        with self._turn:
            self._closed = True
            while self._open:
                self._open.popitem()[1].close()
