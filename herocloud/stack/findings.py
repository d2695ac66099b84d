"""Mistakes while they are being collected: by path, not yet by line.

A load goes on after a mistake with what is left, so that all mistakes come in one run. Two rules keep one mistake from being reported
twice. A spot whose value was refused is *poisoned*: whatever would follow from its absence is not reported. And findings of one kind at one
place in the file are one finding, because an anchor or `defaults` bring one line to many VMs.
"""

from herocloud.kits.named_tuples import NamedTuple
from herocloud.kits.yaml.tree import Path
from herocloud.model.diagnostics import Place
from herocloud.stack.pruned import Pruned

_ENOUGH = 200


class Finding(NamedTuple):
    """One mistake, before its place in a file is known."""

    code: str
    path: Path | None
    detail: str
    hint: str | None = None
    on_key: bool = False
    """The key is wrong, or the whole block: point at the key and not at the value."""
    about: str = ""
    """Tells two findings of one kind at one place apart: the name of each missing key."""
    needle: str | None = None
    """A part of the value to point at: one expression in a long text."""
    place: Place | None = None
    """Set where the place is known already, in the file of a variable or for a second definition."""
    snippet: str | None = None
    address: str | None = None


class Findings:
    """The collector of one load."""

    def __init__(self) -> None:
        """Start without a mistake."""
        self.items: list[Finding] = []
        self.pruned = Pruned()
        """What was taken out of the tree so far: reported paths are those of what is left of it."""
        self._poisoned: set[Path] = set()
        self._above: set[Path] = set()
        """Everything that holds something poisoned."""

    @property
    def is_long(self) -> bool:
        """Return whether there are more mistakes than anybody reads; finding the nearest name for each could then take for ever."""
        return len(self.items) > _ENOUGH

    def add(
        self,
        code: str,
        path: Path | None,
        detail: str,
        hint: str | None = None,
        *,
        on_key: bool = False,
        about: str = "",
        needle: str | None = None,
        place: Place | None = None,
        snippet: str | None = None,
        address: str | None = None,
        is_original: bool = False,
    ) -> None:
        """Collect one mistake; `path` is one of the tree, or with `is_original` one of the file."""
        if path is not None and not is_original:
            path = self.pruned.original(path)
        self.items.append(Finding(code, path, detail, hint, on_key, about, needle, place, snippet, address))

    def poison(self, path: Path) -> None:
        """Remember that nothing is known about the value at `path` of the file."""
        self._poisoned.add(path)
        self._above.update(path[:length] for length in range(len(path)))

    def knows(self, *path: str | int) -> bool:
        """Return whether neither the value at `path` nor anything around it was refused."""
        if not self._poisoned:
            return True
        path = self.pruned.original(path)
        return not any(path[:length] in self._poisoned for length in range(1, len(path) + 1))

    def knows_within(self, *path: str | int) -> bool:
        """Return whether nothing in, at or around `path` was refused."""
        return self.knows(*path) and self.pruned.original(path) not in self._above
