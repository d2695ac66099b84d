"""Mistakes while they are being collected: by path, not yet by line, in a tree that they are taken out of.

Where things stood before mistakes were taken out of a tree. An item taken out of a list moves its neighbours, and the checks that run on
what is left would point one line too high. A block below a misspelt key is looked at under the name that was meant, so that its own
mistakes do not wait for a second run.

Mistakes while they are being collected: by path, not yet by line. A load goes on after a mistake with what is left, so that all mistakes
come in one run. Two rules keep one mistake from being reported twice. A spot whose value was refused is *poisoned*: whatever would follow
from its absence is not reported. And findings of one kind at one place in the file are one finding, because an anchor or `defaults` bring
one line to many VMs.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from herocloud.model.diagnostics import Place

Path = tuple[str | int, ...]
"""Keys and list numbers from the top of a file down to a value."""


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
        """Tell whether the value at `path` has its name from us."""
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


__all__ = ["SUMMARIES", "Finding", "Findings", "Path"]

SUMMARIES = {
    "file-missing": "Stack file cannot be read",
    "yaml-encoding": "File is not UTF-8 text",
    "yaml-empty": "File is empty",
    "yaml-syntax": "Not valid YAML",
    "yaml-tab": "Tab in the indentation",
    "yaml-documents": "Several documents in one file",
    "yaml-not-a-mapping": "File is not a mapping",
    "yaml-limit": "File is over a limit",
    "yaml-alias": "Alias without its anchor",
    "yaml-tag": "Unknown YAML tag",
    "yaml-key": "Key is not a text",
    "yaml-merge": "Merge key without a mapping",
    "duplicate-key": "Key is there twice",
    "defined-twice": "Name is defined twice",
    "other-stack": "Files belong to different stacks",
    "unknown-key": "Unknown key",
    "missing-key": "Key is missing",
    "wrong-type": "Wrong type of value",
    "out-of-range": "Number is out of range",
    "bad-size": "Not a size",
    "bad-rate": "Not a rate",
    "bad-name": "Not a valid name",
    "bad-choice": "Not one of the choices",
    "bad-text": "Text is too short or too long",
    "bad-sid": "Not a slice id",
    "bad-seed": "Not an overlay seed",
    "bad-opening": "Not a port to open",
    "bad-interface": "Not an interface",
    "bad-sha256": "Not a SHA-256 digest",
    "bad-cidr": "Not a network",
    "bad-peer": "Not a peer endpoint",
    "bad-address": "Not an address",
    "bad-source": "Not an image source",
    "bad-expression": "Not an expression",
    "bad-variable": "Variable has a wrong value",
    "bad-option": "Option cannot be read",
    "unknown-variable": "Unknown variable",
    "missing-variable": "Variable has no value",
    "sensitive-value": "Sensitive value would be stored",
    "unknown-image": "Unknown image",
    "unknown-network": "Unknown network",
    "unknown-volume": "Unknown volume",
    "unknown-size": "Unknown size preset",
    "unknown-vm": "Unknown VM",
    "unknown-slice": "Unknown slice",
    "unknown-processor": "Unknown processor",
    "unknown-host": "Host is not known",
    "cycle": "Dependency cycle",
    "slice-twice": "Slice is pinned twice",
    "slices-and-pins": "Slices are counted and pinned",
    "unpinned-image": "Image without a digest",
    "nothing-to-boot": "Image without a source",
    "path-missing": "Path does not exist",
    "path-unreadable": "File cannot be used",
    "networks-overlap": "Networks overlap",
    "port-twice": "Host port is forwarded twice",
    "volume-shared": "Volume has two writers",
    "not-attached": "VM is not on the network",
    "attached-twice": "Attached twice",
    "alias-clash": "Image name is taken",
    "peer-twice": "Peer is listed twice",
    "seed-twice": "Overlay seed is used twice",
    "tag-twice": "Share tag is used twice",
    "overlay-off": "Overlay addresses are switched off",
    "memory-over-slices": "More memory than the slices have",
    "too-few-vcpus": "Fewer vCPUs than the VM starts with",
    "bad-topology": "Topology does not fit the vCPUs",
    "bad-affinity": "Affinity does not fit the vCPUs",
    "one-of-two": "Exactly one of two keys",
    "move-target": "Rename leads nowhere",
    "move-twice": "Rename is there twice",
    "move-cycle": "Renames form a circle",
    "move-kept": "Renamed resource is still there",
    "secret-missing": "Secret is not set",
    "too-many": "Too many VMs",
}
"""The constant summary of every code; `docs/stack-file.md` lists them."""


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
        """Tell whether there are more mistakes than anybody reads; finding the nearest name for each could then take for ever."""
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
        """Tell whether neither the value at `path` nor anything around it was refused."""
        if not self._poisoned:
            return True
        path = self.pruned.original(path)
        return not any(path[:length] in self._poisoned for length in range(1, len(path) + 1))

    def knows_within(self, *path: str | int) -> bool:
        """Tell whether nothing in, at or around `path` was refused."""
        return self.knows(*path) and self.pruned.original(path) not in self._above
