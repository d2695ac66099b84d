"""Commands that only tell: `output`, `report`, `version`, `completion`."""

import time
from pathlib import Path
from typing import Annotated, Literal

from herocloud.cli import completion as cli_completion
from herocloud.cli import exit_codes, flags, presentation, requests
from herocloud.cli.command import BadValue, Call
from herocloud.kits import nearest
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.operations import lookups


def output(
    call: Call,
    name: Annotated[str | None, flags.argument(metavar="[NAME]", help="Only this output, as it is.")] = None,
    stack: flags.Stack = None,
) -> int:
    """Show the outputs of the stack."""
    from herocloud.views import details, results

    recorded = lookups.read_recorded(call.folder)
    outputs = lookups.outputs_of(recorded, lookups.require_stack(recorded, requests.choose_stack(call, stack)))
    if name is None:
        presentation.show(
            call, lambda: details.outputs_document(outputs), lambda: results.outputs_text(outputs) or "The stack has no outputs."
        )
        return exit_codes.DONE
    if name not in outputs:
        close = nearest.nearest(name, outputs)
        known = ", ".join(f"`{one}`" for one in sorted(outputs)) or "none"
        hint = f"did you mean `{close}`?" if close else f"outputs: {known}"
        raise Refused([Diagnostic("unknown-output", "No such output", f"The stack has no output `{name}`.", hint=hint)])
    value = outputs[name]
    presentation.show(call, lambda: value, lambda: value if isinstance(value, str) else _plain(value))
    return exit_codes.DONE


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
    gathered = lookups.gather(call.folder, requests.choose_stack(call, stack))
    page = html.render_state(
        gathered.host, gathered.records, gathered.things, drift=gathered.drift, history=gathered.history, generated=time.time()
    )
    presentation.write(target, page)
    presentation.show(call, lambda: {"format_version": "1.0", "file": str(target)}, lambda: f"Wrote {target}.")
    return exit_codes.DONE


def version(call: Call) -> int:
    """Print the version."""
    import platform
    import sqlite3

    import herocloud

    presentation.show(
        call,
        lambda: {
            "format_version": "1.0",
            "version": herocloud.__version__,
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
        },
        lambda: f"herocloud {herocloud.__version__}",
    )
    return exit_codes.DONE


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
    name = shell or cli_completion.guess_shell()
    if name is None:
        raise BadValue(f"name one of {', '.join(cli_completion.SHELLS)}: SHELL does not tell", "SHELL")
    if install:
        place = cli_completion.install(name, Path.home())
        presentation.show(
            call,
            lambda: {"format_version": "1.0", "shell": name, "file": str(place)},
            lambda: f"Installed in {place}; a new {name} has it.",
        )
        return exit_codes.DONE
    presentation.show(
        call, lambda: {"format_version": "1.0", "shell": name, "script": cli_completion.script(name)}, lambda: cli_completion.script(name)
    )
    return exit_codes.DONE
