"""Commands that only tell: `output`, `report`, `version`, `completion`."""

import time
from pathlib import Path
from typing import Annotated, Literal

from herocloud.cli import completing, ending, flags, preparing, showing
from herocloud.cli.calling import BadValue, Call
from herocloud.kits import names
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.operations import reading


def output(
    call: Call,
    name: Annotated[str | None, flags.argument(metavar="[NAME]", help="Only this output, as it is.")] = None,
    stack: flags.Stack = None,
) -> int:
    """Show the outputs of the stack."""
    from herocloud.views import details, results

    recorded = reading.read_recorded(call.folder)
    outputs = reading.outputs_of(recorded, reading.require_stack(recorded, preparing.choose_stack(call, stack)))
    if name is None:
        showing.show(call, lambda: details.outputs_document(outputs), lambda: results.outputs_text(outputs) or "The stack has no outputs.")
        return ending.DONE
    if name not in outputs:
        close = names.nearest(name, outputs)
        known = ", ".join(f"`{one}`" for one in sorted(outputs)) or "none"
        hint = f"did you mean `{close}`?" if close else f"outputs: {known}"
        raise Refused([Diagnostic("unknown-output", "No such output", f"The stack has no output `{name}`.", hint=hint)])
    value = outputs[name]
    showing.show(call, lambda: value, lambda: value if isinstance(value, str) else _plain(value))
    return ending.DONE


def _plain(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def report(
    call: Call,
    out: Annotated[
        Path | None, flags.option("--out", "-o", variable="", metavar="FILE", help="Where to write the page; report.html.")
    ] = None,
    stack: flags.Stack = None,
) -> int:
    """Write an HTML report of what is recorded and observed."""
    from herocloud.reports import html

    target = out or Path("report.html")
    found = reading.gather(call.folder, preparing.choose_stack(call, stack))
    page = html.render_state(found.host, found.records, found.things, drift=found.drift, history=found.history, generated=time.time())
    showing.write(target, page)
    showing.show(call, lambda: {"format_version": "1.0", "file": str(target)}, lambda: f"Wrote {target}.")
    return ending.DONE


def version(call: Call) -> int:
    """Print the version."""
    import platform
    import sqlite3

    import herocloud

    showing.show(
        call,
        lambda: {
            "format_version": "1.0",
            "version": herocloud.__version__,
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
        },
        lambda: f"herocloud {herocloud.__version__}",
    )
    return ending.DONE


def completion(
    call: Call,
    *,
    shell: Annotated[
        Literal["bash", "zsh", "fish"] | None, flags.argument(metavar="[bash|zsh|fish]", help="By default the one that SHELL names.")
    ] = None,
    install: Annotated[
        bool, flags.option("--install", variable="", help="Put it where the shell finds it, instead of printing it.")
    ] = False,
) -> int:
    """Print or install tab completion for a shell."""
    name = shell or completing.guess_shell()
    if name is None:
        raise BadValue(f"name one of {', '.join(completing.SHELLS)}: SHELL does not tell", "SHELL")
    if install:
        place = completing.install(name, Path.home())
        showing.show(
            call,
            lambda: {"format_version": "1.0", "shell": name, "file": str(place)},
            lambda: f"Installed in {place}; a new {name} has it.",
        )
        return ending.DONE
    showing.show(call, lambda: {"format_version": "1.0", "shell": name, "script": completing.script(name)}, lambda: completing.script(name))
    return ending.DONE
