"""JUnit XML, for CI systems that draw test results: each change is a case, what stops the plan or failed in an apply is a failure."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.outcomes import Result
from herocloud.model.plans import Plan
from herocloud.model.words import Severity
from herocloud.views import diagnostic_text, fates, phrases, results

# XML 1.0 has no way to write these, not even as references.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Case(NamedTuple):
    """One test case; at most one of failure, error and skipped is set."""

    group: str
    name: str
    out: str = ""
    failure: str | None = None
    error: str | None = None
    skipped: str | None = None
    seconds: float = 0.0


def render(plan: Plan) -> str:
    """Write a plan: a case per change, and one per diagnostic that is an error."""
    cases = [
        Case(
            f"{plan.stack}.{change.kind}",
            f"{change.address} {change.action.value}",
            "\n".join(phrases.lines(change, purge=plan.purge)),
            failure=f"protected; {phrases.LIFT}" if change.protected else None,
        )
        for change in phrases.arrange(plan)
    ]
    return _write(f"herocloud plan {plan.stack}", [*cases, *_found(plan.stack, plan.diagnostics)])


def render_result(plan: Plan, result: Result) -> str:
    """Write an apply: a case per change. One that was begun and not finished is a failure, because its thing is not what it was."""
    failed: dict[str, str] = {}
    cause: dict[str, str] = {}
    for failure in results.failures(result):
        outcome = failure.outcome
        failed.setdefault(outcome.address, f"{outcome.kind}: {outcome.error or 'failed'}")
        cause.update(dict.fromkeys(failure.held_back, f"because {outcome.step} failed"))
    seconds: dict[str, float] = {}
    for outcome in result.outcomes:
        seconds[outcome.address] = seconds.get(outcome.address, 0.0) + outcome.ended - outcome.started
    cases = []
    every = results.fates_of(plan, result)
    for change in phrases.arrange(plan):
        fate = every[change.address]
        why = cause.get(change.address)
        if fate.word in (fates.BEGUN, fates.NOT_TAKEN_BACK) and change.address not in failed:
            failed[change.address] = f"{fate.words}, {why}" if why else fate.words
        left = fate.word not in (fates.DONE, fates.BEGUN, fates.NOT_TAKEN_BACK) and change.address not in failed
        reason = (f"{fate.words} {why}" if why else fate.words) if left else None
        cases.append(
            Case(
                f"{plan.stack}.{change.kind}",
                f"{change.address} {change.action.value}",
                "\n".join(note for note in result.notes if f"`{change.address}`" in note),
                failure=failed.get(change.address),
                skipped=reason,
                seconds=seconds.get(change.address, 0.0),
            )
        )
    return _write(f"herocloud {plan.operation} {plan.stack}", cases)


def render_diagnostics(diagnostics: Sequence[Diagnostic], name: str = "validate") -> str:
    """Write diagnostics: a case per finding, or one good case when there is none."""
    return _write(f"herocloud {name}", _found(name, diagnostics) or [Case(name, "no findings")])


def _found(group: str, events: Sequence[Diagnostic]) -> list[Case]:
    cases = []
    for diagnostic in events:
        place = f"{diagnostic.place.file}:{diagnostic.place.line}" if diagnostic.place else diagnostic.address or ""
        text = diagnostic_text.render_one(diagnostic)
        bad = diagnostic.severity is Severity.ERROR
        cases.append(
            Case(f"{group}.{diagnostic.code}", f"{diagnostic.summary} {place}".strip(), "" if bad else text, error=text if bad else None)
        )
    return cases


def _write(name: str, cases: list[Case]) -> str:
    # 20 ms of import, for the one view that writes XML.
    from xml.etree import ElementTree as ET

    totals = {
        "tests": str(len(cases)),
        "failures": str(sum(case.failure is not None for case in cases)),
        "errors": str(sum(case.error is not None for case in cases)),
        "skipped": str(sum(case.skipped is not None for case in cases)),
        "time": f"{sum(case.seconds for case in cases):.3f}",
    }
    root = ET.Element("testsuites", {"name": _clean(name), **totals})
    suite = ET.SubElement(root, "testsuite", {"name": _clean(name), **totals})
    for case in cases:
        entry = ET.SubElement(
            suite, "testcase", {"classname": _clean(case.group), "name": _clean(case.name), "time": f"{case.seconds:.3f}"}
        )
        for tag, text in (("failure", case.failure), ("error", case.error), ("skipped", case.skipped)):
            if text is not None:
                lines = _clean(text).splitlines() or [""]
                ET.SubElement(entry, tag, {"message": lines[0]}).text = "\n".join(lines)
        if case.out:
            ET.SubElement(entry, "system-out").text = _clean(case.out)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode")


def _clean(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)
