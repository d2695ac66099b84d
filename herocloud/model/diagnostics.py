"""Diagnostics: what is wrong with the user's input or world, as data.

Functions collect and return them; nobody raises one. The summary is constant text without the user's words, so that people can
search for it; the detail says what, why and what to do.
"""

from herocloud.kits.named_tuples import NamedTuple
from herocloud.kits.text_positions import Place
from herocloud.model.words import Severity

__all__ = ["Diagnostic", "Place", "sort_diagnostics"]


class Diagnostic(NamedTuple):
    """One finding."""

    code: str
    """A stable short name, `unknown-key`, for scripts and SARIF rules."""
    summary: str
    detail: str
    severity: Severity = Severity.ERROR
    address: str | None = None
    place: Place | None = None
    snippet: str | None = None
    """The whole source line that `place` starts in."""
    hint: str | None = None

    @property
    def is_error(self) -> bool:
        """Return whether it stops the work."""
        return self.severity is Severity.ERROR


class Finding(NamedTuple):
    """What one finding always says: a line of the table of codes and summaries that each group of findings has."""

    code: str
    summary: str
    severity: Severity = Severity.ERROR

    def at(self, detail: str, address: str | None = None, place: Place | None = None, *, hint: str | None = None) -> Diagnostic:
        """Return it for one address, with a way out."""
        return Diagnostic(self.code, self.summary, detail, self.severity, address, place, hint=hint)


def sort_diagnostics(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    """Order findings by file and line, those without a place last; equal findings are shown once."""
    unique = list(dict.fromkeys(diagnostics))
    return sorted(unique, key=lambda d: (d.place is None, d.place or Place("", 0, 0, 0, 0), d.address or "", d.code, d.detail))
