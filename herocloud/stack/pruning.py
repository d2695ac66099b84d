"""Where things stood before mistakes were taken out of a tree.

An item taken out of a list moves its neighbours, and the checks that run on what is left would point one line too high. A block below a
misspelt key is looked at under the name that was meant, so that its own mistakes do not wait for a second run.
"""

from collections.abc import Mapping
from typing import Any

Path = tuple[str | int, ...]
"""Keys and list numbers from the top of a file down to a value."""


class Pruned:
    """Remembers which list items were taken out."""

    def __init__(self) -> None:
        """Start with nothing taken out."""
        self._removed: dict[Path, list[int]] = {}
        self._renamed: dict[Path, str] = {}

    def original(self, path: Path) -> Path:
        """Return where in the file the value at `path` stands."""
        return self._trace(path, self._removed)

    def spelt(self, path: Path) -> Path:
        """Return the path with the keys as the file spells them; numbers of items are taken as those of the file."""
        return self._trace(path, {})

    def _trace(self, path: Path, gone: Mapping[Path, list[int]]) -> Path:
        if not gone and not self._renamed:
            return path
        result: Path = ()
        for part in path:
            if isinstance(part, str):
                result = (*result, self._renamed.get((*result, part), part))
                continue
            number = part
            for removed in sorted(gone.get(result, ())):
                if removed <= number:
                    number += 1
            result = (*result, number)
        return result

    def gone_from(self, path: Path) -> int:
        """Count the items that the list at `path`, as in the tree, has lost."""
        return len(self._removed.get(self.original(path), ()))

    def rename(self, tree: Any, path: Path, name: str) -> bool:
        """Give the mapping or list at `path` the name that was meant; tells whether it was free."""
        container: Any = tree
        for part in path[:-1]:
            container = container[part]
        if name in container or not isinstance(container[path[-1]], dict | list):
            return False
        container[name] = container.pop(path[-1])
        self._renamed[(*self.original(path[:-1]), name)] = str(path[-1])
        return True

    def was_renamed(self, path: Path) -> bool:
        """Tell whether the value at `path` has its name from us."""
        return (*self.original(path[:-1]), path[-1]) in self._renamed

    def note(self, path: Path, numbers: list[int]) -> None:
        """Remember that these items of the list at `path`, all as in the file, are not in the tree any more."""
        self._removed.setdefault(path, []).extend(numbers)

    def remove(self, tree: Any, path: Path) -> None:
        """Take the value at `path` out of `tree`."""
        container: Any = tree
        for part in path[:-1]:
            container = container[part]
        last = path[-1]
        if isinstance(container, list) and isinstance(last, int):
            self._removed.setdefault(self.original(path[:-1]), []).append(self.original(path)[-1])  # type: ignore[arg-type]
            del container[last]
        elif isinstance(container, dict):
            container.pop(last, None)
