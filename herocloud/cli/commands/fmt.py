"""`fmt`."""

from typing import Annotated

from herocloud.cli import documents, ending, flags
from herocloud.cli.invoking import Call
from herocloud.operations import formatting, sources
from herocloud.operations.formatting import STDIN, Laid


def fmt(
    call: Call,
    *,
    check: Annotated[bool, flags.option("--check", variable="", help="Write nothing; exit 3 when a file would change.")] = False,
    diff: Annotated[bool, flags.option("--diff", variable="", help="Show what changes.")] = False,
) -> int:
    """Lay stack files out the canonical way; comments stay.

    The name of each file that changes is printed. Standard input (`-f -`) comes back formatted on standard output.
    """
    laid = formatting.lay_out(call.files, sources.read_stdin(call.files))
    if not check:
        formatting.write(laid)
    changed = [one for one in laid if one.changed]
    if call.json:
        rows = [{"file": one.file, "changed": one.changed, **({"diff": formatting.difference(one)} if diff else {})} for one in laid]
        call.screen.result(documents.dumps({"format_version": "1.0", "files": rows}))
    else:
        _print(call, laid, changed, check=check, diff=diff)
    return ending.NOT_FORMATTED if check and changed else ending.DONE


def _print(call: Call, laid: list[Laid], changed: list[Laid], *, check: bool, diff: bool) -> None:
    for one in changed:
        if diff:
            call.screen.result(formatting.difference(one))
        elif one.file != STDIN or check:
            call.screen.result(one.file)
    for one in laid:
        if one.file == STDIN and not check and not diff:
            call.screen.raw_result(one.after)
