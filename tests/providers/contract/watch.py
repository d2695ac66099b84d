"""Who opens what: an audit hook notes every file below a data folder that a provider opens while it acts."""

import contextlib
import os
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from herocloud.providers import ownership
from herocloud.providers.seam import Work
from herocloud.providers.vmm import marks, users

SHARED = (ownership.FILE, f".{ownership.FILE}.new", users.FILE, marks.FILE)
"""Whose a VM's folder is, which `providers.ownership` keeps for all that have parts in it; which user the VM is, who owns its disks; and
which of the hypervisors with a VMM runs it, which `providers.vmm` keeps for both."""


class Watch:
    """Notes who opens what below a folder. Python has no way to remove an audit hook, so it is switched off instead."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.who = threading.local()
        self.keepers: dict[str, str] = {}
        self.opened: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def begin(self, folder: Path | None) -> None:
        """Watch a folder from now on, and forget what was before; without one nothing is watched."""
        self.folder, self.keepers, self.opened = folder, {}, set()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        name = getattr(self.who, "name", None)
        if self.folder is None or name is None:
            return
        if event == "open" and isinstance(arguments[0], str):
            writes = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            if not arguments[2] & os.O_DIRECTORY and arguments[0] not in getattr(self.who, "given", ()):
                self._note(name, arguments[0], writes=writes)
        elif event == "sqlite3.connect":
            # The library opens the file itself, and nobody connects to one that is another's by chance.
            self._note(name, re.sub(r"^file:(//)?|\?.*", "", str(arguments[0])), writes=True)
        elif event == "os.rename":
            with self._lock:
                moved = self.keepers.pop(str(arguments[0]), None)
                if moved is not None:
                    self.keepers[str(arguments[1])] = moved

    def _note(self, name: str, path: str, *, writes: bool) -> None:
        if not path.startswith(f"{self.folder}/"):
            return
        with self._lock:
            if writes:
                self.keepers.setdefault(path, name)
            self.opened.add((name, path))

    def trespasses(self) -> list[str]:
        with self._lock:
            return sorted(
                f"{name} opened `{path}` of {self.keepers[path]}"
                for name, path in self.opened
                if self.keepers.get(path, name) != name and Path(path).name not in SHARED
            )

    def seen(self) -> set[str]:
        """Name everybody who opened something."""
        with self._lock:
            return {name for name, _ in self.opened}

    @contextlib.contextmanager
    def acting(self, name: str, given: set[str] = frozenset()) -> Iterator[None]:  # type: ignore[assignment]
        """Watch what this thread does, and the threads that it begins, as the work of a provider that may open what it was given."""
        before = getattr(self.who, "name", None), getattr(self.who, "given", set())
        self.who.name, self.who.given = name, given
        try:
            yield
        finally:
            self.who.name, self.who.given = before


WATCH = Watch()
sys.addaudithook(WATCH)
_start = threading.Thread.start


def _start_watched(thread: threading.Thread) -> None:
    name, given = getattr(WATCH.who, "name", None), getattr(WATCH.who, "given", set())
    if name is not None:
        run = thread.run

        def run_watched() -> None:
            with WATCH.acting(name, given):
                run()

        thread.run = run_watched  # type: ignore[method-assign]
    _start(thread)


threading.Thread.start = _start_watched  # type: ignore[method-assign]


class Watched:
    """A driver whose every call is watched; what its step was given it may open."""

    def __init__(self, name: str, driver: Any) -> None:
        self._name, self._driver = name, driver

    def _call(self, verb: str, work: Work) -> Any:
        with WATCH.acting(self._name, {str(disk.path) for disk in work.disks.values()}):
            return getattr(self._driver, verb)(work)

    def perform(self, work: Work) -> Any:
        result = self._call("perform", work)
        # A probe too, as a resume would: it looks at more than a performance does.
        self._call("probe", work)
        return result

    def probe(self, work: Work) -> Any:
        return self._call("probe", work)

    def undo(self, work: Work) -> None:
        self._call("undo", work)

    def close(self) -> None:
        self._driver.close()
