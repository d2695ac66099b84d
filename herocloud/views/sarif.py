"""SARIF 2.1.0, for code scanning: findings with their places, what a plan destroys, interrupts or cannot do, and how an apply ended.

Only what GitHub and editors read is written. A finding without a place in a file is located by its address alone.
"""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

import herocloud
from herocloud.kits.jsons import Json
from herocloud.model.diagnostics import Diagnostic, sort_diagnostics
from herocloud.model.outcomes import Outcome, Result
from herocloud.model.plans import Change, Plan
from herocloud.model.words import Action, Impact
from herocloud.views import fates, phrases, results
from herocloud.views.fates import Fate

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


class Finding(NamedTuple):
    """One result."""

    rule: str
    title: str
    level: str
    text: str
    address: str | None
    diagnostic: Diagnostic | None = None


def document(plan: Plan) -> dict[str, Json]:
    """Return a plan as SARIF: its diagnostics, and a finding for each change that people should look at twice."""
    return _log([*map(_diagnosed, sort_diagnostics(list(plan.diagnostics))), *filter(None, map(_notable, phrases.arrange(plan)))])


def result_document(plan: Plan, result: Result) -> dict[str, Json]:
    """Return how an apply ended: what failed, and each change that is not done or was taken back, with what its thing is now."""
    errors = {failure.outcome.address: failure.outcome for failure in results.failures(result)}
    every = results.fates_of(plan, result)
    ended = [_ended(change, every[change.address], errors.get(change.address)) for change in phrases.arrange(plan)]
    return _log([*map(_diagnosed, sort_diagnostics(list(plan.diagnostics))), *filter(None, ended)])


def _ended(change: Change, fate: Fate, failed: Outcome | None) -> Finding | None:
    if failed is not None:
        text = f"{change.address}: {fate.words}; {failed.kind}: {failed.error or 'failed'}"
        return Finding("apply-failed", "A step failed", "error", text, change.address)
    text = f"{change.address}: {fate.words}"
    if fate.word in (fates.BEGUN, fates.FAILED, fates.NOT_TAKEN_BACK):
        return Finding("apply-unfinished", "A change was begun and not finished", "error", text, change.address)
    if fate.untouched:
        return Finding("apply-not-started", "A change was not started", "warning", text, change.address)
    if fate.word == fates.TAKEN_BACK:
        return Finding("apply-taken-back", "A change was taken back", "note", text, change.address)
    return None


def diagnostics_document(diagnostics: Sequence[Diagnostic]) -> dict[str, Json]:
    """Return diagnostics as SARIF."""
    return _log([_diagnosed(diagnostic) for diagnostic in sort_diagnostics(list(diagnostics))])


def render(log: dict[str, Json]) -> str:
    """Write a SARIF document as text."""
    import json

    return json.dumps(log, indent=2, ensure_ascii=False)


def _diagnosed(diagnostic: Diagnostic) -> Finding:
    text = "\n".join(filter(None, [diagnostic.detail or diagnostic.summary, diagnostic.hint and f"hint: {diagnostic.hint}"]))
    return Finding(diagnostic.code, diagnostic.summary, diagnostic.severity.value, text, diagnostic.address, diagnostic)


def _notable(change: Change) -> Finding | None:
    text = f"{change.address}: {phrases.lines(change)[0]}"
    if change.protected:
        return Finding("blocked", "Protection stands in the way", "error", text, change.address)
    if change.impact is Impact.DATA:
        return Finding("data-destroyed", "Data is destroyed", "warning", text, change.address)
    if change.action in (Action.STOP, Action.REBOOT, Action.REPLACE):
        return Finding("interrupted", "A VM is interrupted", "note", text, change.address)
    return None


def _log(findings: list[Finding]) -> dict[str, Json]:
    rules = {finding.rule: finding.title for finding in reversed(findings)}
    order = sorted(rules)
    positions = {rule: i for i, rule in enumerate(order)}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "herocloud",
                        "semanticVersion": herocloud.__version__,
                        "rules": [{"id": rule, "shortDescription": {"text": rules[rule]}} for rule in order],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(finding, positions[finding.rule]) for finding in findings],
            }
        ],
    }


def _result(finding: Finding, position: int) -> dict[str, Json]:
    location: dict[str, Json] = {}
    place = finding.diagnostic.place if finding.diagnostic else None
    if place is not None:
        region: dict[str, Json] = {
            "startLine": place.line,
            "startColumn": place.column,
            "endLine": place.end_line,
            "endColumn": place.end_column,
        }
        if finding.diagnostic and finding.diagnostic.snippet is not None:
            region["snippet"] = {"text": finding.diagnostic.snippet}
        uri = ("file://" if place.file.startswith("/") else "") + quote(place.file)
        location["physicalLocation"] = {"artifactLocation": {"uri": uri}, "region": region}
    if finding.address:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.address, "kind": "resource"}]
    return {
        "ruleId": finding.rule,
        "ruleIndex": position,
        "level": finding.level,
        "message": {"text": finding.text},
        "locations": [location] if location else [],
    }
