"""Hands the result of an operation to the right view: text or JSON on the screen, and the files that flags name."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from herocloud.cli import exit_codes, flags, terminal
from herocloud.cli.command import Call
from herocloud.kits.jsons import Json
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.outcomes import Result
from herocloud.model.plans import Plan
from herocloud.views.json_text import dumps

if TYPE_CHECKING:
    from herocloud.views.tables import Listing

__all__ = ["dumps"]

FORMAT_VERSION = "1.0"


def show(call: Call, document: Callable[[], Json], text: Callable[[], str]) -> None:
    """Print one of the two forms; only that one is made."""
    call.screen.result(dumps(document()) if call.json else text())


def show_listing(call: Call, listing: "Listing") -> None:
    """Print a table or the same rows as JSON."""
    from herocloud.views import tables

    show(call, lambda: tables.document(listing), lambda: tables.render(listing, color=call.screen.color_out, width=call.screen.width))


def show_plan(call: Call, plan: Plan, notes: Sequence[Diagnostic] = ()) -> None:
    """Print a plan, with its diagnostics on stderr."""
    exit_codes.tell_diagnostics(call.screen, [*notes, *plan.diagnostics], quiet=call.quiet)
    if call.json:
        from herocloud.views import plan_json

        call.screen.result(plan_json.render(plan_json.plan_document(_with_notes(plan, notes))))
    else:
        from herocloud.views import text

        call.screen.result(text.render_plan(plan, color=call.screen.color_out, verbose=call.verbose > 0, width=call.screen.width))


def export_plan(exports: flags.Exports, plan: Plan, notes: Sequence[Diagnostic] = ()) -> None:
    """Write a plan in every form that a flag names a file for."""
    if exports.json_into is not None:
        from herocloud.views import plan_json

        write(exports.json_into, plan_json.render(plan_json.plan_document(_with_notes(plan, notes))))
    if exports.md is not None:
        from herocloud.views import markdown

        write(exports.md, markdown.render(plan, exports.max_bytes))
    if exports.html is not None:
        from herocloud.reports import html

        write(exports.html, html.render_plan(plan))
    if exports.junit is not None:
        from herocloud.views import junit

        write(exports.junit, junit.render(plan))
    if exports.sarif is not None:
        from herocloud.views import sarif

        write(exports.sarif, sarif.render(sarif.document(_with_notes(plan, notes))))


def export_result(exports: flags.Exports, plan: Plan, result: Result) -> None:
    """Write how an apply ended, over what was written of its plan; `--json-into` is a stream and is written as it happens."""
    if exports.md is not None:
        from herocloud.views import markdown

        write(exports.md, markdown.render_result(plan, result, exports.max_bytes))
    if exports.html is not None:
        from herocloud.reports import html

        write(exports.html, html.render_result(plan, result))
    if exports.junit is not None:
        from herocloud.views import junit

        write(exports.junit, junit.render_result(plan, result))
    if exports.sarif is not None:
        from herocloud.views import sarif

        write(exports.sarif, sarif.render(sarif.result_document(plan, result)))


def export_refusal(exports: flags.Exports, error: Refused) -> None:
    """Write why there is no plan into the files that can say so."""
    from herocloud.views import plan_json, sarif

    if exports.sarif is not None:
        write(exports.sarif, sarif.render(sarif.diagnostics_document(error.diagnostics)))
    if exports.json_into is not None:
        write(exports.json_into, plan_json.render(plan_json.refusal_document(error.diagnostics)))


def show_refusal(call: Call, error: Refused) -> int:
    """Show as JSON that there is no plan, in the shape of one, and return the exit code."""
    from herocloud.views import plan_json

    exit_codes.tell_diagnostics(call.screen, error.diagnostics)
    call.screen.result(plan_json.render(plan_json.refusal_document(error.diagnostics)))
    return exit_codes.code_of(error)


def _with_notes(plan: Plan, notes: Sequence[Diagnostic]) -> Plan:
    """Put what the stack and the host had to say beside what the planner has, for readers that see one document only."""
    from herocloud.plan import annotation

    return annotation.with_diagnostics(plan, (*notes, *plan.diagnostics))


def open_file(path: Path) -> TextIO:
    """Open a view's file; a new one is never for others to write to, whatever the umask."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOCTTY, 0o644), "w", encoding="utf-8")


def write(path: Path, text: str) -> None:
    """Write a view's file; `-` is the standard output, as everywhere else."""
    text = text if text.endswith("\n") else text + "\n"
    if str(path) == "-":
        # A reader that has seen enough has not failed.
        terminal.open_screen({}, no_color=True).raw_result(text)
    else:
        with open_file(path) as file:
            file.write(text)
