"""What a YAML text holds: its values, where each is written, and what keeps it from being read."""

from typing import Any

from herocloud.kits.named_tuples import NamedTuple

Path = tuple[str | int, ...]
"""Keys and list numbers from the top of a file down to a value."""


class Mark(NamedTuple):
    """A spot that we found ourselves; the same attributes as the parser's marks, counted from 0."""

    line: int
    column: int


START = Mark(0, 0)


class Spot(NamedTuple):
    """Where one entry of a mapping or list is written; each mark has `line` and `column`, counted from 0."""

    key_start: Any
    key_end: Any
    start: Any
    end: Any


class Duplicate(NamedTuple):
    """A key that a mapping holds twice; the first value is kept."""

    path: Path
    first: Spot | None
    second: Spot
    value: Any


class Spots:
    """Where the entries of every mapping and list are written.

    Containers are found by identity, not by value: two equal lists stand at two places, and an aliased one is found where it is written.
    The tree that holds the containers has to live as long as this does, or an identity could be given to another object.
    """

    def __init__(self) -> None:
        """Start without a container."""
        self._entries: dict[int, dict[str | int, Spot]] = {}

    def of(self, container: Any) -> dict[str | int, Spot]:
        """Return the spots of a container's entries, by key or number; they may be added to."""
        return self._entries.setdefault(id(container), {})


class Tree(NamedTuple):
    """What a file holds."""

    value: Any
    spots: Spots
    duplicates: list[Duplicate]
    root: Spot | None


class Unreadable(Exception):
    """The text is not YAML that we read; `mark` and `end` tell where, `code` what kind of trouble it is."""

    def __init__(self, code: str, detail: str, mark: Any = None, end: Any = None, hint: str | None = None) -> None:
        """Carry what a diagnostic needs."""
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.mark = mark
        self.end = end
        self.hint = hint
