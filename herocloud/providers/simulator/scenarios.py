"""Scenario files: rules that make the simulator misbehave.

Rules are tried in order and the first that matches acts. In patterns only `*` and `?` are special: addresses are full of brackets,
and a shell pattern would read `vm.web[0]` as `vm.web0`, which exists nowhere.
"""

import fnmatch
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from herocloud.kits import jsons, nearest, sizes
from herocloud.kits.jsons import Json
from herocloud.model.diagnostics import Diagnostic, Place
from herocloud.model.errors import Refused

ACTS = ("fail", "refuse", "delay", "hang", "vanish")
MOMENTS = ("before", "half", "after")
_KEYS = ("address", "step", "times", "probability", "at", *ACTS)


class Rule(NamedTuple):
    """One way to misbehave."""

    key: str
    """Names the rule in the world file, where its uses are counted: a rule that was edited starts anew."""
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
        """Tell whether it is about this address and step, at this moment."""
        return not self.vanish and self.at == at and _fits(self.address, address) and _fits(self.step, step)

    def takes(self, address: str) -> bool:
        """Tell whether it makes this address vanish."""
        return self.vanish and _fits(self.address, address)


class Scenario(NamedTuple):
    """All the rules of a file."""

    seed: int = 0
    rules: tuple[Rule, ...] = ()

    @property
    def vanishing(self) -> bool:
        """Tell whether any rule makes things vanish; without one an observation has nothing to write."""
        return any(rule.vanish for rule in self.rules)


NOTHING = Scenario()


def load(path: Path) -> Scenario:
    """Read a scenario file; raises Refused with everything that is wrong in it."""
    # 20 ms of import, which only somebody with a scenario pays.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        document = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Refused([Diagnostic("scenario-unreadable", "The scenario file cannot be read", f"`{path}`: {error}")]) from error
    except YAMLError as error:
        raise Refused([_syntax(path, error)]) from error
    reader = _Reader(path)
    scenario = reader.read(document)
    if reader.found:
        raise Refused(reader.found)
    return scenario


def _fits(pattern: str, text: str) -> bool:
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def _syntax(path: Path, error: Exception) -> Diagnostic:
    mark = getattr(error, "problem_mark", None)
    place = Place(str(path), mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 2) if mark else None
    return Diagnostic("scenario-syntax", "The scenario file is not YAML", str(getattr(error, "problem", None) or error), place=place)


class _Reader:
    """Turns the document into rules and collects what is wrong with their places."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: list[Diagnostic] = []
        self._lines = path.read_text(encoding="utf-8").splitlines()

    def read(self, document: Json) -> Scenario:
        if document is None:
            return NOTHING
        if not isinstance(document, dict):
            self._report(None, None, "A scenario is a mapping", "write `rules:` with a list of rules below it")
            return NOTHING
        self._refuse_unknown(document, ("seed", "rules"))
        seed = document.get("seed", 0)
        if not isinstance(seed, int):
            self._report(document, "seed", "A seed is a whole number", f"`{seed}` is none")
        rules = document.get("rules") or []
        if not isinstance(rules, list):
            self._report(document, "rules", "Rules are a list", "write each rule as `- {address: vm.web, fail: out of order}`")
            rules = []
        counted: dict[str, int] = {}
        return Scenario(seed if isinstance(seed, int) else 0, tuple(self._rules(rules, counted)))

    def _rules(self, rules: list[Any], counted: dict[str, int]) -> Iterator[Rule]:
        for rule in rules:
            if not isinstance(rule, dict):
                self._report(None, None, "A rule is a mapping", f"`{rule}` is none")
                continue
            text = repr(sorted((str(key), str(value)) for key, value in rule.items()))
            counted[text] = counted.get(text, 0) + 1
            key = jsons.blake2b(f"{text}{counted[text]}".encode(), digest_size=8).hexdigest()
            yield self._rule(rule, key)

    def _rule(self, rule: Any, key: str) -> Rule:
        # A mistyped act would be reported twice otherwise: as unknown, and as missing.
        known = self._refuse_unknown(rule, _KEYS)
        if known and not any(rule.get(act) for act in ACTS):
            self._report(rule, None, "A rule does nothing", f"give it one of {', '.join(f'`{act}`' for act in ACTS)}")
        if rule.get("at", "before") not in MOMENTS:
            self._report(rule, "at", "A rule acts before, half-way or after", f"`{rule['at']}` is none of `before`, `half` and `after`")
        return Rule(
            key=key,
            address=str(rule.get("address", "*")),
            step=str(rule.get("step", "*")),
            times=self._times(rule),
            probability=self._probability(rule),
            at=str(rule.get("at", "before")),
            fail=str(rule["fail"]) if rule.get("fail") else None,
            refuse=str(rule["refuse"]) if rule.get("refuse") else None,
            delay=self._delay(rule),
            hang=self._truth(rule, "hang"),
            vanish=self._truth(rule, "vanish"),
        )

    def _times(self, rule: Any) -> int | None:
        times = rule.get("times")
        if times is None or (isinstance(times, int) and not isinstance(times, bool) and times >= 1):
            return times
        self._report(rule, "times", "A number of times is a whole number from 1", f"`{times}` is none")
        return None

    def _probability(self, rule: Any) -> float:
        probability = rule.get("probability", 1.0)
        if isinstance(probability, (int, float)) and not isinstance(probability, bool) and 0 <= probability <= 1:
            return float(probability)
        self._report(rule, "probability", "A probability is a number from 0 to 1", f"`{probability}` is none")
        return 1.0

    def _delay(self, rule: Any) -> float:
        try:
            return sizes.parse_duration(str(rule["delay"])) if "delay" in rule else 0.0
        except sizes.NotASize as error:
            self._report(rule, "delay", "A delay is a duration", str(error), hint=error.hint)
            return 0.0

    def _truth(self, rule: Any, name: str) -> bool:
        value = rule.get(name, False)
        if not isinstance(value, bool):
            self._report(rule, name, "An act is switched on with `true`", f"`{name}: {value}` is neither true nor false")
        return bool(value)

    def _refuse_unknown(self, mapping: Any, known: tuple[str, ...]) -> bool:
        before = len(self.found)
        for key in mapping:
            if key not in known:
                close = nearest.nearest(str(key), known)
                hint = f"did you mean `{close}`?" if close else None
                self._report(mapping, key, "A key is unknown", f"`{key}` is none of {', '.join(f'`{name}`' for name in known)}", hint=hint)
        return len(self.found) == before

    def _report(self, mapping: Any, key: Json, summary: str, detail: str, hint: str | None = None) -> None:
        place, snippet = None, None
        if mapping is not None:
            line, column = mapping.lc.key(key) if key is not None and key in mapping else (mapping.lc.line, mapping.lc.col)
            place = Place(str(self.path), line + 1, column + 1, line + 1, column + 1 + len(str(key or "-")))
            snippet = self._lines[line]
        self.found.append(Diagnostic("scenario-invalid", summary, detail, place=place, snippet=snippet, hint=hint))
