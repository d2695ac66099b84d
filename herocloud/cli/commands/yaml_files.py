"""Commands on stack files: `init`, `validate`, `fmt`, `export`, `schema`."""

import shlex
from pathlib import Path
from typing import Annotated

from herocloud.cli import exit_codes, flags, presentation, requests
from herocloud.cli.command import Call
from herocloud.operations import inputs, lookups, stack_files
from herocloud.operations.stack_files import STDIN, Laid


def init(
    call: Call, folder: Annotated[Path, flags.argument(metavar="[DIR]", help="Where to write; made when it is not there.")] = Path()
) -> int:
    """Write a commented starter stack and a .gitignore."""
    started = stack_files.start(folder)
    written = [path for path in (started.stack, started.ignore) if path is not None]
    presentation.show(
        call,
        lambda: {"format_version": "1.0", "written": [str(path) for path in written]},
        lambda: "\n".join(f"Wrote {path}." for path in written),
    )
    where = "" if folder == Path() else f" --chdir {shlex.quote(str(folder))}"
    call.note(f"\nLook at what it would make: herocloud{where} plan")
    return exit_codes.DONE


def validate(
    call: Call,
    variables: flags.Variables,
    sarif: Annotated[Path | None, flags.option("--sarif", metavar="FILE", help="Write the findings as SARIF.")] = None,
) -> int:
    """Check the stack files and show every finding."""
    from herocloud.views import diagnostic_text

    diagnostics = stack_files.validate(call.folder, requests.make_sources(call, variables))
    good = not any(diagnostic.is_error for diagnostic in diagnostics)
    if sarif is not None:
        from herocloud.views import sarif as log

        presentation.write(sarif, log.render(log.diagnostics_document(diagnostics)))
    if call.json:
        call.screen.result(presentation.dumps(diagnostic_text.documents(diagnostics)))
    else:
        exit_codes.tell_diagnostics(call.screen, diagnostics, quiet=call.quiet)
        if good:
            call.screen.result("The stack is valid.")
    return exit_codes.DONE if good else exit_codes.ERROR


def fmt(
    call: Call,
    *,
    check: Annotated[bool, flags.option("--check", variable="", help="Write nothing; exit 3 when a file would change.")] = False,
    diff: Annotated[bool, flags.option("--diff", variable="", help="Show what would change; write nothing.")] = False,
) -> int:
    """Lay stack files out the canonical way; comments stay.

    The name of each file that changes is printed. Standard input (`-f -`) comes back formatted on standard output.
    """
    laid = stack_files.lay_out(call.files, inputs.read_stdin(call.files))
    if not check and not diff:
        stack_files.write(laid)
    changed = [layout for layout in laid if layout.changed]
    if call.json:
        rows = [
            {"file": layout.file, "changed": layout.changed, **({"diff": stack_files.difference(layout)} if diff else {})}
            for layout in laid
        ]
        call.screen.result(presentation.dumps({"format_version": "1.0", "files": rows}))
    else:
        _print(call, laid, changed, check=check, diff=diff)
    return exit_codes.NOT_FORMATTED if check and changed else exit_codes.DONE


def _print(call: Call, laid: list[Laid], changed: list[Laid], *, check: bool, diff: bool) -> None:
    for layout in changed:
        if diff:
            call.screen.result(stack_files.difference(layout))
        elif layout.file != STDIN or check:
            call.screen.result(layout.file)
    for layout in laid:
        if layout.file == STDIN and not check and not diff:
            call.screen.raw_result(layout.after)


def export(
    call: Call,
    *,
    addresses: Annotated[list[str] | None, flags.argument(metavar="[ADDR]...", help="Only these addresses, and what they need.")] = None,
    host: Annotated[bool, flags.option("--host", variable="", help="Every stack on this host, one document each.")] = False,
    stack: flags.Stack = None,
) -> int:
    """Write the YAML of what exists; planning it again changes nothing."""
    chosen = None if host else requests.choose_stack(call, stack)
    texts = lookups.export(call.folder, chosen, tuple(addresses or ()))
    if call.json:
        call.screen.result(presentation.dumps({"format_version": "1.0", "stacks": dict(texts)}))
    else:
        call.screen.raw_result("---\n".join(text for _, text in texts))
    return exit_codes.DONE


def schema(call: Call) -> int:
    """Print the JSON Schema of stack files, for editors."""
    call.screen.result(presentation.dumps(stack_files.schema()))
    return exit_codes.DONE
