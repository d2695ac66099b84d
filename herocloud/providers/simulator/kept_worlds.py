"""The world in a process that stays: its file stays open, and what nobody has changed is not read again."""

import sqlite3
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from herocloud.model.errors import Refused
from herocloud.model.ids import StackName
from herocloud.model.worlds import Observed, Thing
from herocloud.providers.simulator import world_file
from herocloud.providers.simulator.world_file import World

Stacks = tuple[StackName, ...] | None
Things = dict[tuple[str, str], tuple[tuple[Any, ...], Thing]]
"""What was read of the world, by stack and address: each row with the thing that it is."""
Read = Callable[[sqlite3.Connection, Stacks, Things], Observed]
"""Reads what there is of these stacks, or of all; rows that are known already are the same things again."""


class KeptLook:
    """The world of a data folder as it was last looked at."""

    def __init__(self, folder: Path) -> None:
        """Start without a look."""
        self._folder = folder
        self._turn = threading.Lock()
        self._world: World | None = None
        self._file: tuple[int, int] | None = None
        self._version = -1
        self._seen: dict[Stacks, Observed] = {}
        self._things: Things = {}

    def observe(self, stacks: Iterable[StackName] | None, read: Read) -> Observed:
        """Look at everything that carries our mark, of these stacks or of all."""
        wanted = None if stacks is None else tuple(dict.fromkeys(stacks))
        with self._turn:
            try:
                return self._look(wanted, read)
            except sqlite3.DatabaseError as error:
                self._let_go()
                raise Refused([world_file.damaged(self._folder / world_file.FILE, error)]) from error
            except BaseException:
                self._let_go()
                raise

    def _look(self, wanted: Stacks, read: Read) -> Observed:
        world = self._find()
        if world is None:
            return Observed()
        # Asked before the look: what is written in between is looked at once more, and never missed.
        version = world.look_for_changes()
        if version != self._version:
            self._seen.clear()
            self._version = version
        seen = self._seen.get(wanted)
        if seen is None:
            with world.reading() as connection:
                seen = read(connection, wanted, self._things)
            self._seen[wanted] = seen
        if not world.follows:
            self._let_go()
        return seen

    def _find(self) -> World | None:
        file = world_file.identify(self._folder)
        if self._world is None or file != self._file:
            self._let_go()
            self._world, self._file = world_file.open_for_reading(self._folder), file
        return self._world

    def _let_go(self) -> None:
        if self._world is not None:
            self._world.close()
        self._world, self._version = None, -1
        self._seen.clear()
        self._things.clear()

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            self._let_go()


class KeptWorld:
    """The world of a data folder, open for changing; all who change it share one connection."""

    def __init__(self, folder: Path) -> None:
        """Start without it."""
        self._folder = folder
        self._turn = threading.Lock()
        self._world: World | None = None
        self._file: tuple[int, int] | None = None
        self._borrowers: list[World] = []
        """The world of each who works in it, once for each."""

    def lend(self, name: str) -> World:
        """Return it, for somebody who gives it back. One in the place of another is another; what works in the old one ends there."""
        with self._turn:
            if self._world is None or world_file.identify(self._folder) != self._file:
                self._retire()
                self._world = world_file.open_world(self._folder, name=name)
                self._file = world_file.identify(self._folder)
            self._borrowers.append(self._world)
            return self._world

    def take_back(self, world: World) -> None:
        """Take it back; the last one who works in a world that is not lent any more closes it."""
        with self._turn:
            self._borrowers.remove(world)
            if world is not self._world and world not in self._borrowers:
                world.close()

    def _retire(self) -> None:
        world, self._world = self._world, None
        if world is not None and world not in self._borrowers:
            world.close()

    def close(self) -> None:
        """Let go of the file, at once where nobody is at work in it."""
        with self._turn:
            self._retire()
