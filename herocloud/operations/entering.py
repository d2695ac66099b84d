"""What goes on inside of a VM: console, output, programs. A simulated VM has no inside, and says so."""

from pathlib import Path
from typing import NoReturn

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.operations import reading

_WHAT = {"logs": "writes no console output", "exec": "runs no programs", "console": "has no console"}


def require_guest(folder: Path, name: str, stack: str | None, what: str) -> NoReturn:
    """Raise why this VM cannot be entered."""
    record = reading.find_record(reading.read_recorded(folder), name, stack, kind="vm")
    detail = f"`{record.address}` runs on `{record.provider}`: it exists only as a state machine, so it {_WHAT[what]}."
    raise Refused([Diagnostic("no-guest", "Nothing runs inside of this VM", detail, address=record.address)])
