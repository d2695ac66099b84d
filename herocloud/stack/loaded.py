"""What a load gives back."""

from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.worlds import Desired


class Loaded(NamedTuple):
    """A stack, or everything that is wrong with it."""

    desired: Desired | None
    """Nothing when there are errors."""
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[str, ...]
    """The stack files that were read, in order."""
    uses_secrets: bool = False
