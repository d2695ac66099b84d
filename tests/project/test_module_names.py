"""Rooms can be told apart by their doors: a basename occurs once, and modules are called by nouns."""

from collections import defaultdict
from pathlib import Path

_OF_EVERY_PROVIDER = {"observing", "planning", "driving"}
_SHARED_NAMES = {
    "claims": "what a thing occupies: of its host in plan/, of the simulated world in the simulator",
    "contexts": "what a provider works in, and what the templates of a report show",
    "diagnostics": "the type in model/, and the findings of the planner in plan/",
    "marks": "each provider has one, for what it makes: objects of the store, links, VMs",
    "parts": "the types in model/, and the engine in providers/ that brings one about",
}
"""Basenames in more than one room, each with its reason."""
_ACTIVITIES = {
    "locking": "no noun says it",
    "migrating": "no noun says it",
    "slicing": "no noun says it",
    "keyring": "a noun",
    "framing": "the noun of protocols",
    "blocking": "a kind of client, beside the asynchronous one",
    "steering": "what an apply is steered by; no noun says all of it",
}
"""Modules that end in -ing, each with its reason."""


def _rooms(root: Path) -> dict[str, list[str]]:
    rooms: dict[str, list[str]] = defaultdict(list)
    for path in (root / "herocloud").rglob("*.py"):
        if path.stem not in {"__init__", "__main__"}:
            rooms[path.stem].append(str(path.parent.relative_to(root)))
    return rooms


def test_a_basename_occurs_once_or_has_a_reason(root: Path) -> None:
    twice = {name: folders for name, folders in _rooms(root).items() if len(folders) > 1}
    assert set(twice) - _OF_EVERY_PROVIDER - set(_SHARED_NAMES) == set(), twice
    assert set(_SHARED_NAMES) <= set(twice), "a reason stands here for a name that occurs once"


def test_a_module_is_called_by_a_noun(root: Path) -> None:
    activities = {name for name in _rooms(root) if name.endswith("ing")} - _OF_EVERY_PROVIDER
    assert activities == set(_ACTIVITIES)
