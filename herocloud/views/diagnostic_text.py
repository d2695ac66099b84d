"""Diagnostics as text, in the way compilers print them, and as JSON.

error: unknown key
  --> stack.yaml:12:5
   |
12 |     vcpu: 4
   |     ^^^^
  `vcpu` is not a key of a VM.
  hint: did you mean `vcpus`?
"""

from collections.abc import Sequence

from herocloud.kits.jsons import Json
from herocloud.kits.terminal_text import visible
from herocloud.model.diagnostics import Diagnostic, Place, sort_diagnostics
from herocloud.model.words import Severity
from herocloud.views import writer

FORMAT_VERSION = "1.0"

_WIDEST = 160
"""A source line longer than this (a key, a blob) is cut around the caret."""


def render(diagnostics: Sequence[Diagnostic], color: bool = False) -> str:  # noqa: FBT001, FBT002  (the contract passes it by position)
    """Write all findings in reading order, and a line that counts them at the end; nothing for nothing."""
    if not diagnostics:
        return ""
    palette = writer.choose(color=color)
    ordered = sort_diagnostics(list(diagnostics))
    return "\n\n".join([*(render_one(diagnostic, palette) for diagnostic in ordered), tally(ordered)])


def render_one(diagnostic: Diagnostic, palette: writer.Palette = writer.PLAIN) -> str:
    """Write one finding."""
    colour = writer.of_severity(palette, diagnostic.severity)
    # Most foreign words are in here, so not even colors of theirs pass.
    where = f" ({visible(diagnostic.address)})" if diagnostic.address else ""
    lines = [
        f"{colour}{palette.bold}{diagnostic.severity.value}{palette.off}{palette.bold}: {visible(diagnostic.summary)}{palette.off}{where}"
    ]
    if diagnostic.place:
        lines.extend(_source(diagnostic.place, diagnostic.snippet, palette, colour))
    lines.extend(f"  {line}".rstrip() for line in visible(diagnostic.detail).splitlines())
    if diagnostic.hint:
        first, *more = visible(diagnostic.hint).splitlines()
        lines.append(f"  {palette.cyan}hint{palette.off}: {first}")
        lines.extend(f"        {line}" for line in more)
    return "\n".join(lines)


def tally(diagnostics: Sequence[Diagnostic]) -> str:
    """Write `12 errors, 1 warning`."""
    words = []
    for severity in Severity:
        number = sum(1 for diagnostic in diagnostics if diagnostic.severity is severity)
        if number:
            words.append(f"{number} {severity.value}{'' if number == 1 else 's'}")
    return ", ".join(words)


def document(diagnostic: Diagnostic) -> dict[str, Json]:
    """Return one finding as JSON."""
    place = diagnostic.place
    return {
        "severity": diagnostic.severity.value,
        "code": diagnostic.code,
        "summary": diagnostic.summary,
        "detail": diagnostic.detail,
        "address": diagnostic.address,
        "range": place
        and {
            "filename": place.file,
            "start": {"line": place.line, "column": place.column},
            "end": {"line": place.end_line, "column": place.end_column},
        },
        "snippet": diagnostic.snippet,
        "hint": diagnostic.hint,
    }


def documents(diagnostics: Sequence[Diagnostic]) -> dict[str, Json]:
    """Return the document of `validate --json`."""
    ordered = sort_diagnostics(list(diagnostics))
    return {
        "format_version": FORMAT_VERSION,
        "valid": not any(diagnostic.is_error for diagnostic in ordered),
        "error_count": sum(1 for diagnostic in ordered if diagnostic.is_error),
        "warning_count": sum(1 for diagnostic in ordered if diagnostic.severity is Severity.WARNING),
        "diagnostics": [document(diagnostic) for diagnostic in ordered],
    }


def _source(place: Place, snippet: str | None, palette: writer.Palette, colour: str) -> list[str]:
    number = str(place.line)
    margin = " " * len(number)
    lines = [f"{margin}{palette.dim}-->{palette.off} {visible(place.file)}:{place.line}:{place.column}"]
    if snippet is None:
        return lines
    text, start = _cut(snippet.rstrip("\n"), place.column)
    end = place.end_column - place.column + start if place.end_line == place.line else len(text) + 1
    marked = max(1, min(end, len(text) + 1) - start)
    # Tabs are repeated before the caret, so that it stands under its character however wide the terminal makes them.
    lead = "".join("\t" if letter == "\t" else " " for letter in visible(text[: start - 1]))
    bar = f"{palette.dim}|{palette.off}"
    return [
        *lines,
        f"{margin} {bar}",
        f"{palette.dim}{number}{palette.off} {bar} {visible(text)}",
        f"{margin} {bar} {lead}{colour}{'^' * marked}{palette.off}",
    ]


def _cut(text: str, column: int) -> tuple[str, int]:
    """Return at most `_WIDEST` characters around the column, and the column in them."""
    if len(text) <= _WIDEST:
        return text, column
    begin = max(0, column - 1 - _WIDEST // 2)
    shown = text[begin : begin + _WIDEST]
    lead = "…" if begin else ""
    tail = "…" if begin + _WIDEST < len(text) else ""
    return f"{lead}{shown}{tail}", column - begin + len(lead)
