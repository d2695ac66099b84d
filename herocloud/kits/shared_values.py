"""Sharing: equal parts become one object, and what is made of an object is made once.

Ten thousand VMs written alike are then read, checked and planned at the price of the few that differ. The classes compare objects by
identity, because comparing values would walk every part again. That is sound only under two promises: nobody changes an object that was
handed in, and the object lives as long as its entry here, so that its identity cannot pass to another. The classes keep the second one
themselves by holding on to what they are given.
"""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

Made = TypeVar("Made")


class MadeOnce(Generic[Made]):
    """What was made of each object, found again by the object itself."""

    def __init__(self) -> None:
        """Start with nothing made."""
        self._made: dict[int, tuple[object, Made]] = {}

    def find(self, thing: object) -> Made | None:
        """Return what was made of this very object; nothing when nothing was."""
        known = self._made.get(id(thing))
        return None if known is None else known[1]

    def make(self, thing: object, maker: Callable[[Any], Made]) -> Made:
        """Return what `maker` makes of an object, the first time and every other time."""
        known = self._made.get(id(thing))
        return self.keep(thing, maker(thing)) if known is None else known[1]

    def keep(self, thing: object, made: Made) -> Made:
        """Remember what was made of an object, and return it."""
        self._made[id(thing)] = (thing, made)
        return made


class MadeLately(Generic[Made]):
    """What was made of objects that are asked for again and again in a process that stays; what nobody asks for any more is forgotten.

    Threads may share it: at worst two of them make the same thing.
    """

    def __init__(self, rounds: int = 16) -> None:
        """Forget what was not asked for in so many rounds, or twice as many at most."""
        self._rounds = rounds
        self._round = 0
        self._now: dict[tuple[int, ...], tuple[tuple[object, ...], Made]] = {}
        self._before: dict[tuple[int, ...], tuple[tuple[object, ...], Made]] = {}

    def make(self, maker: Callable[..., Made], *things: object) -> Made:
        """Return what `maker` makes of these very objects, the first time and every other time."""
        key = (*map(id, things),)
        known = self._now.get(key)
        if known is None:
            known = self._now[key] = self._before.get(key) or (things, maker(*things))
        return known[1]

    def make_all(self, maker: Callable[..., Made], pairs: Iterable[tuple[object, object]]) -> list[Made]:
        """Return what `maker` makes of each pair of these very objects; `make` for many."""
        made: list[Made] = []
        for pair in pairs:
            key = (id(pair[0]), id(pair[1]))
            known = self._now.get(key)
            if known is None:
                known = self._now[key] = self._before.get(key) or (pair, maker(*pair))
            made.append(known[1])
        return made

    def end_round(self) -> None:
        """Count what is asked for from here on as another round."""
        self._round += 1
        if self._round % self._rounds == 0:
            self._before, self._now = self._now, {}


class Unified:
    """Mappings and lists of which equal ones are one object, as long as what they hold went through here before."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._maps: dict[tuple[Any, ...], dict[Any, Any]] = {}
        self._lists: dict[tuple[int, ...], list[Any]] = {}

    def unify_map(self, value: dict[Any, Any]) -> dict[Any, Any]:
        """Return the first mapping that had the same keys, in the same order, with the very same values."""
        return self._maps.setdefault((*value, *map(id, value.values())), value)

    def unify_list(self, value: list[Any]) -> list[Any]:
        """Return the first list that held the very same items."""
        return self._lists.setdefault((*map(id, value),), value)
