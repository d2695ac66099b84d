"""Where things stood before mistakes were taken out of a tree.

An item taken out of a list moves its neighbors, and the checks that run on what is left would point one line too high. A block below a
misspelt key is looked at under the name that was meant, so that its own mistakes do not wait for a second run.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from herocloud.kits.yaml.tree import Path


class Pruned:
    """Remembers what was taken out and what was renamed."""

    def __init__(self) -> None:
        """Start with nothing taken out."""
        self._kept: dict[Path, list[int]] = {}
        """For each list that lost items, by its path in the file: the numbers of those that are left."""
        self._lost: dict[Path, int] = {}
        self._renamed: dict[Path, str] = {}

    def original(self, path: Path) -> Path:
        """Return where in the file the value at `path` stands."""
        if not self._kept:
            return self.spelt(path)
        result: Path = ()
        for part in path:
            if isinstance(part, str):
                result = (*result, self._renamed.get((*result, part), part))
            else:
                kept = self._kept.get(result)
                result = (*result, kept[part] if kept is not None and part < len(kept) else part)
        return result

    def spelt(self, path: Path) -> Path:
        """Return the path with the keys as the file spells them; numbers of items are taken as those of the file."""
        if not self._renamed:
            return path
        result: Path = ()
        for part in path:
            result = (*result, self._renamed.get((*result, part), part) if isinstance(part, str) else part)
        return result

    def gone_from(self, path: Path) -> int:
        """Count the items that the list at `path`, as in the tree, has lost."""
        return self._lost.get(self.original(path), 0)

    def rename(self, tree: Any, path: Path, name: str) -> None:
        """Give the mapping or list at `path` the name that was meant."""
        container = _walk(tree, path[:-1])
        container[name] = container.pop(path[-1])
        self._renamed[(*self.original(path[:-1]), name)] = str(path[-1])

    def was_renamed(self, path: Path) -> bool:
        """Return whether the value at `path` has its name from us."""
        return bool(self._renamed) and (*self.original(path[:-1]), path[-1]) in self._renamed

    def note(self, path: Path, gone: Iterable[int], length: int) -> None:
        """Remember that a list, at `path` in the file and so far whole, has lost these items of its `length`."""
        lost = set(gone)
        self._kept[path] = [number for number in range(length) if number not in lost]
        self._lost[path] = len(lost)

    def remove(self, tree: Any, paths: Sequence[Path]) -> None:
        """Take values out of the tree: all at once, because a list of a hundred thousand wrong items would be moved as often."""
        items: dict[Path, set[int]] = {}
        for path in sorted(paths, key=len, reverse=True):
            container = _walk(tree, path[:-1])
            if isinstance(container, list) and isinstance(path[-1], int):
                items.setdefault(path[:-1], set()).add(path[-1])
            elif isinstance(container, dict):
                container.pop(path[-1], None)
        for path, gone in sorted(items.items(), key=lambda item: len(item[0]), reverse=True):
            container = _walk(tree, path)
            place = self.original(path)
            kept = self._kept.get(place, list(range(len(container))))
            self._kept[place] = [number for position, number in enumerate(kept) if position not in gone]
            self._lost[place] = self._lost.get(place, 0) + len(gone)
            container[:] = [item for position, item in enumerate(container) if position not in gone]


def _walk(tree: Any, path: Path) -> Any:
    for part in path:
        tree = tree[part]
    return tree
