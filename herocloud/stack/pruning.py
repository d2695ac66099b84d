"""Where things stood before mistakes were taken out of a tree.

An item taken out of a list moves its neighbours, and the checks that run on what is left would point one line too high.
"""

from typing import Any

Path = tuple[str | int, ...]
"""Keys and list numbers from the top of a file down to a value."""


class Pruned:
    """Remembers which list items were taken out."""

    def __init__(self) -> None:
        """Start with nothing taken out."""
        self._removed: dict[Path, list[int]] = {}

    def original(self, path: Path) -> Path:
        """Return where in the file the value at `path` stands."""
        if not self._removed:
            return path
        result: Path = ()
        for part in path:
            number = part
            if isinstance(number, int):
                for removed in sorted(self._removed.get(result, ())):
                    if removed <= number:
                        number += 1
            result = (*result, number)
        return result

    def note(self, path: Path, number: int) -> None:
        """Remember that the item `number` of the list at `path`, both as in the file, is not in the tree any more."""
        self._removed.setdefault(path, []).append(number)

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
