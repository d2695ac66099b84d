"""Sharing: equal parts become one object, and what is made of an object is made once.

Ten thousand VMs written alike are then read, checked and planned at the price of the few that differ. Both classes compare objects by
identity, because comparing values would walk every part again. That is sound only under two promises: nobody changes an object that was
handed in, and the object lives as long as its entry here, so that its identity cannot pass to another. The classes keep the second one
themselves by holding on to what they are given.
"""

from collections.abc import Callable
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
