"""How commands end: the exit codes, which are a contract, and what is said on the way out.

 0  done                      11  the state is locked
 1  error                     12  blocked, or not approved
 2  --detailed-exitcode       13  partly applied
 3  fmt --check               14  does not fit
10  the plan is stale         64  usage           130  interrupted
"""

import os
import sys
from collections.abc import Sequence

from herocloud.cli.terminal import Screen
from herocloud.model import errors
from herocloud.model.diagnostics import Diagnostic

DONE = 0
ERROR = 1
CHANGES = 2
NOT_FORMATTED = 3
STALE = 10
LOCKED = 11
BLOCKED = 12
PARTLY = 13
DOES_NOT_FIT = 14
USAGE = 64
INTERRUPTED = 130

_CODES: tuple[tuple[type[errors.HerocloudError], int], ...] = (
    (errors.Stale, STALE),
    (errors.Locked, LOCKED),
    (errors.Blocked, BLOCKED),
    (errors.DoesNotFit, DOES_NOT_FIT),
)

_SUMMARIES: tuple[tuple[type[errors.HerocloudError], str], ...] = (
    (errors.Conflict, "The host is not as expected"),
    (errors.Temporary, "This does not work right now"),
    (errors.Permanent, "This cannot be done"),
    (errors.Cancelled, "Cancelled"),
)


def code_of(error: errors.HerocloudError) -> int:
    """Return the exit code of an error that was raised on purpose."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ERROR)


def tell_diagnostics(screen: Screen, diagnostics: Sequence[Diagnostic], *, quiet: bool = False) -> None:
    """Show findings on stderr; `quiet` leaves only errors."""
    shown = [diagnostic for diagnostic in diagnostics if diagnostic.is_error or not quiet]
    if shown:
        from herocloud.views import diagnostic_text

        screen.talk(diagnostic_text.render(shown, screen.color_err))


def tell_refusal(screen: Screen, error: errors.HerocloudError, *, json: bool) -> int:
    """Say why nothing was done, in the form that was asked for, and return the exit code."""
    diagnostics = diagnostics_of(error)
    tell_diagnostics(screen, diagnostics)
    if json:
        from herocloud.views import diagnostic_text, json_text

        screen.result(json_text.dumps({**diagnostic_text.documents(diagnostics), "errored": True}))
    return code_of(error)


def diagnostics_of(error: errors.HerocloudError) -> Sequence[Diagnostic]:
    """Return what an error has to say."""
    if isinstance(error, errors.Refused):
        return error.diagnostics
    summary = next((words for kind, words in _SUMMARIES if isinstance(error, kind)), "The command failed")
    return (Diagnostic("failed", summary, str(error) or type(error).__name__),)


def tell_as_json(screen: Screen, code: str, summary: str, detail: str) -> None:
    """Print one error as JSON, so that a program that asked for it always gets a document."""
    from herocloud.views import diagnostic_text, json_text

    screen.result(json_text.dumps({**diagnostic_text.documents([Diagnostic(code, summary, detail)]), "errored": True}))


def tell_os_error(screen: Screen, error: OSError, *, json: bool = False) -> int:
    """Say what the operating system refused; the reason is its own, so there is nothing to trace."""
    where = f" `{os.fsdecode(error.filename)}`" if isinstance(error.filename, (str, bytes)) else ""
    screen.talk(f"error: {error.strerror or error}{where}")
    if json:
        tell_as_json(screen, "system-error", "The operating system refused", f"{error.strerror or error}{where}")
    return ERROR


def tell_crash(screen: Screen, error: BaseException, *, debug: bool, json: bool = False) -> int:
    """Say that this is our defect, and keep the traceback where it can be sent from."""
    import tempfile
    import traceback

    if json:
        tell_as_json(screen, "defect", "A defect in herocloud", f"{type(error).__name__}: {error}")

    text = "".join(traceback.format_exception(error))
    if debug:
        screen.talk(text.rstrip("\n"))
        return ERROR
    lines = [
        f"error: a defect in herocloud: {type(error).__name__}: {error}",
        "  What was recorded is safe; `herocloud plan` shows where things stand.",
    ]
    try:
        with tempfile.NamedTemporaryFile("w", prefix="herocloud-defect-", suffix=".log", delete=False, encoding="utf-8") as log:
            log.write(f"{' '.join(sys.argv[:2])}\n\n{text}")
        lines.append(f"  The traceback is in `{log.name}`; HEROCLOUD_LOG=debug prints it.")
    except OSError:
        lines.append("  HEROCLOUD_LOG=debug prints the traceback.")
    screen.talk("\n".join(lines))
    return ERROR
