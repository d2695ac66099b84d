"""Several files of one stack as one tree.

`-f a.yaml -f b.yaml` is one stack in two files: names of every section are put together, and a name that both define is a mistake with
both places, because a silent winner would hang on the order of the arguments.
"""

from typing import Any

from herocloud.kits.named_tuples import NamedTuple
from herocloud.kits.yaml.tree import Path

NAMED = ("variables", "images", "sizes", "networks", "volumes", "vms", "outputs", "defaults", "mycelium")
"""Sections that are put together key by key."""


class Combined(NamedTuple):
    """One tree, and which file each part of it came from."""

    value: dict[str, Any]
    origins: dict[Path, int]
    """By `(section,)` or `(section, key)`: the number of the file."""
    moved: list[tuple[int, int]]
    """For each entry of `moved`: the number of the file and its place in that file's list."""

    def origin(self, path: Path) -> tuple[int, Path]:
        """Return the file that `path` came from and the path inside that file."""
        if len(path) > 1 and path[0] == "moved" and isinstance(path[1], int) and path[1] < len(self.moved):
            number, place = self.moved[path[1]]
            return number, ("moved", place, *path[2:])
        number = self.origins.get(path[:2], self.origins.get(path[:1], 0))
        return number, path


class Twice(NamedTuple):
    """A name that two files define."""

    path: Path
    first: int
    second: int
    value: Any


def combine(trees: list[dict[str, Any]]) -> tuple[Combined, list[Twice]]:
    """Put the trees of all files together; the first definition of a name wins."""
    value: dict[str, Any] = {}
    origins: dict[Path, int] = {}
    moved: list[tuple[int, int]] = []
    twice: list[Twice] = []
    for number, tree in enumerate(trees):
        for key, inner in tree.items():
            if inner is None and value.get(key) is not None:
                continue
            known = value.get(key)
            if isinstance(inner, dict) and key in NAMED and isinstance(known, dict | None):
                origins.setdefault((key,), number)
                section = value[key] = {} if known is None else known
                for name, entry in inner.items():
                    if name in section:
                        twice.append(Twice((key, name), origins[key, name], number, entry))
                    else:
                        section[name] = entry
                        origins[key, name] = number
            elif isinstance(inner, list) and key == "moved" and isinstance(known, list | None):
                origins.setdefault((key,), number)
                value[key] = [*(known or ()), *inner]
                moved.extend((number, place) for place in range(len(inner)))
            elif known is None:
                value[key] = inner
                origins[key,] = number
            elif inner != known:
                twice.append(Twice((key,), origins[key,], number, inner))
    return Combined(value, origins, moved), twice
