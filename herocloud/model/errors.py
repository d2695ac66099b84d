"""Exceptions, which say what the loop should do next.

    HerocloudError
    ├── Refused(diagnostics)        the input or the world does not allow it; nothing was changed
    │   ├── Stale(diagnostics)      a fact that the plan relies on has changed
    │   ├── Locked(diagnostics)     somebody else is writing
    │   ├── Blocked(diagnostics)    protection, or an impact class that was not approved
    │   └── DoesNotFit(diagnostics) the capacity proof failed
    ├── Cancelled                   the caller asked to stop before anything was changed
    ├── Permanent                   trying again is useless
    ├── Temporary(delay)            trying again after `delay` seconds may work
    └── Conflict                    the world is not what the step relies on

Errors of third-party libraries are wrapped at the provider's edge with `raise … from`.
"""

from collections.abc import Sequence

from herocloud.model.diagnostics import Diagnostic


class HerocloudError(Exception):
    """The root of every error that we raise on purpose."""


class Refused(HerocloudError):
    """The input or the world does not allow what was asked; carries the diagnostics that say why."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        """Keep all findings; the text is for logs only."""
        super().__init__("; ".join(f"{diagnostic.summary}: {diagnostic.detail}" for diagnostic in diagnostics))
        self.diagnostics = tuple(diagnostics)


class Stale(Refused):
    """A fact changed between plan and apply."""


class Locked(Refused):
    """The state is locked by a living process."""


class Blocked(Refused):
    """Protected, or not approved."""


class DoesNotFit(Refused):
    """The host is too small."""


class Cancelled(HerocloudError):
    """The caller asked to stop, and nothing was changed."""


class Permanent(HerocloudError):
    """Trying again is useless."""


class Temporary(HerocloudError):
    """Trying again later may work."""

    def __init__(self, message: str, delay: float = 1.0) -> None:
        """Carry the delay that the thrower thinks sensible."""
        super().__init__(message)
        self.delay = delay


class Conflict(HerocloudError):
    """The world is not what the step relies on."""
