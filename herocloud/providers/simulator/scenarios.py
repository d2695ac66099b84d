"""Scenario files: rules that make the simulator misbehave.

Rules are tried in order and the first that matches acts. In patterns only `*` and `?` are special: addresses are full of brackets,
and a shell pattern would read `vm.web[0]` as `vm.web0`, which exists nowhere.
"""

import fnmatch
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from herocloud.kits import jsons, nearest, plain_files, sizes
from herocloud.kits.jsons import Json
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused

if TYPE_CHECKING:
    from herocloud.kits.yaml.documents import Document

ACTS = ("fail", "refuse", "delay", "hang", "vanish")
MOMENTS = ("before", "half", "after")
_KEYS = ("address", "step", "times", "probability", "at", *ACTS)


class Rule(NamedTuple):
    """One way to misbehave."""

    key: str
    """Names the rule in the world file, where its uses are counted: a rule that was edited starts over."""
    address: str = "*"
    step: str = "*"
    times: int | None = None
    """How often it acts, over all processes; always when nothing is said."""
    probability: float = 1.0
    at: str = "before"
    """When it acts on a step: before it does anything, half-way, or after it did everything (the answer got lost)."""
    fail: str | None = None
    refuse: str | None = None
    delay: float = 0.0
    hang: bool = False
    vanish: bool = False

    def matches(self, address: str, step: str, at: str) -> bool:
        """Return whether it is about this address and step, at this moment."""
        return not self.vanish and self.at == at and _fits(self.address, address) and _fits(self.step, step)

    def takes(self, address: str) -> bool:
        """Return whether it makes this address vanish."""
        return self.vanish and _fits(self.address, address)


class Scenario(NamedTuple):
    """All the rules of a file."""

    seed: int = 0
    rules: tuple[Rule, ...] = ()

    @property
    def vanishing(self) -> bool:
        """Return whether any rule makes things vanish; without one an observation has nothing to write."""
        return any(rule.vanish for rule in self.rules)


_MOST_BYTES = 16 * 1024**2

NOTHING = Scenario()


def load(path: Path) -> Scenario:
    """Read a scenario file; raises Refused with everything that is wrong in it."""
    # 10 ms of import, which only somebody with a scenario pays.
    from herocloud.kits.yaml import documents

    try:
        content = plain_files.read(path, _MOST_BYTES)
    except OSError as error:
        raise Refused([Diagnostic("scenario-unreadable", "The scenario file cannot be read", f"`{path}`: {error}")]) from error
    if not content.strip():
        return NOTHING
    document = documents.open_document(str(path), content)
    if isinstance(document, documents.Broken):
        broken = Diagnostic(
            "scenario-syntax",
            "The scenario file is not YAML",
            document.detail,
            place=document.place,
            snippet=document.snippet,
            hint=document.hint,
        )
        raise Refused([broken])
    reader = _Reader(document)
    scenario = reader.read(document.tree.value)
    if reader.found:
        raise Refused(reader.found)
    return scenario


def _fits(pattern: str, text: str) -> bool:
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


class _Reader:
    """Turns the document into rules and collects what is wrong with their places."""

    def __init__(self, document: "Document") -> None:
        self.found: list[Diagnostic] = []
        self._document = document

    def read(self, document: Json) -> Scenario:
        for duplicate in self._document.tree.duplicates:
            place, snippet = self._document.place_of(duplicate.second, on_key=True)
            detail = f"`{duplicate.path[-1]}` is there twice"
            self.found.append(Diagnostic("scenario-invalid", "A key is there twice", detail, place=place, snippet=snippet))
        if document is None:
            return NOTHING
        if not isinstance(document, dict):
            self._report((), "A scenario is a mapping", "write `rules:` with a list of rules below it")
            return NOTHING
        self._refuse_unknown(document, (), ("seed", "rules"))
        seed = document.get("seed", 0)
        if not isinstance(seed, int):
            self._report(("seed",), "A seed is a whole number", f"`{seed}` is not one")
        rules = document.get("rules") or []
        if not isinstance(rules, list):
            self._report(("rules",), "Rules are a list", "write each rule as `- {address: vm.web, fail: out of order}`")
            rules = []
        counted: dict[str, int] = {}
        return Scenario(seed if isinstance(seed, int) else 0, tuple(self._rules(rules, counted)))

    def _rules(self, rules: list[Any], counted: dict[str, int]) -> Iterator[Rule]:
        for number, rule in enumerate(rules):
            if not isinstance(rule, dict):
                self._report(("rules", number), "A rule is a mapping", f"`{rule}` is not one")
                continue
            text = repr(sorted((str(key), str(value)) for key, value in rule.items()))
            counted[text] = counted.get(text, 0) + 1
            key = jsons.blake2b(f"{text}{counted[text]}".encode(), digest_size=8).hexdigest()
            yield self._rule(rule, key, ("rules", number))

    def _rule(self, rule: Any, key: str, path: tuple[str | int, ...]) -> Rule:
        # A mistyped act would be reported twice otherwise: as unknown, and as missing.
        known = self._refuse_unknown(rule, path, _KEYS)
        if known and not any(rule.get(act) for act in ACTS):
            self._report(path, "A rule does nothing", f"give it one of {', '.join(f'`{act}`' for act in ACTS)}")
        if rule.get("at", "before") not in MOMENTS:
            self._report((*path, "at"), "A rule acts before, half-way or after", f"`{rule['at']}` is none of `before`, `half` and `after`")
        return Rule(
            key=key,
            address=str(rule.get("address", "*")),
            step=str(rule.get("step", "*")),
            times=self._times(rule, path),
            probability=self._probability(rule, path),
            at=str(rule.get("at", "before")),
            fail=str(rule["fail"]) if rule.get("fail") else None,
            refuse=str(rule["refuse"]) if rule.get("refuse") else None,
            delay=self._delay(rule, path),
            hang=self._truth(rule, path, "hang"),
            vanish=self._truth(rule, path, "vanish"),
        )

    def _times(self, rule: Any, path: tuple[str | int, ...]) -> int | None:
        times = rule.get("times")
        if times is None or (isinstance(times, int) and not isinstance(times, bool) and times >= 1):
            return times
        self._report((*path, "times"), "A number of times is a whole number from 1", f"`{times}` is none")
        return None

    def _probability(self, rule: Any, path: tuple[str | int, ...]) -> float:
        probability = rule.get("probability", 1.0)
        if isinstance(probability, (int, float)) and not isinstance(probability, bool) and 0 <= probability <= 1:
            return float(probability)
        self._report((*path, "probability"), "A probability is a number from 0 to 1", f"`{probability}` is none")
        return 1.0

    def _delay(self, rule: Any, path: tuple[str | int, ...]) -> float:
        try:
            return sizes.parse_duration(str(rule["delay"])) if "delay" in rule else 0.0
        except sizes.NotASize as error:
            self._report((*path, "delay"), "A delay is a duration", str(error), hint=error.hint)
            return 0.0

    def _truth(self, rule: Any, path: tuple[str | int, ...], name: str) -> bool:
        value = rule.get(name, False)
        if not isinstance(value, bool):
            self._report((*path, name), "An act is switched on with `true`", f"`{name}: {value}` is neither true nor false")
        return bool(value)

    def _refuse_unknown(self, mapping: Any, path: tuple[str | int, ...], known: tuple[str, ...]) -> bool:
        before = len(self.found)
        for key in mapping:
            if key not in known:
                close = nearest.nearest(str(key), known)
                hint = f"did you mean `{close}`?" if close else None
                detail = f"`{key}` is not one of {', '.join(f'`{name}`' for name in known)}"
                self._report((*path, key), "A key is unknown", detail, hint=hint)
        return len(self.found) == before

    def _report(self, path: tuple[str | int, ...], summary: str, detail: str, hint: str | None = None) -> None:
        place, snippet = self._document.locate(path, on_key=True)
        self.found.append(Diagnostic("scenario-invalid", summary, detail, place=place, snippet=snippet, hint=hint))
