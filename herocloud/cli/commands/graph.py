"""`graph`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from herocloud.cli import ending, flags, preparing, showing
from herocloud.cli.invoking import Call
from herocloud.operations import filing, inspecting


def graph(
    call: Call,
    variables: flags.Variables,
    planfile: Annotated[Path | None, typer.Argument(metavar="[PLANFILE]", help="Draw the changes of a saved plan instead.")] = None,
    form: Annotated[Literal["dot", "mermaid"], flags.option("--format", variable="", help="For Graphviz, or for Markdown.")] = "dot",
) -> int:
    """Draw what depends on what, as dot or mermaid."""
    from herocloud.views import graphs

    if planfile is not None:
        drawn = graphs.of_changes(filing.read(planfile))
    else:
        inspected = inspecting.inspect(call.folder, preparing.make_sources(call, variables))
        ending.tell_diagnostics(call.screen, inspected.notes, quiet=call.quiet)
        drawn = graphs.of_resources(inspected.desired.stack, inspected.desired.resources)
    showing.show(
        call,
        lambda: {
            "format_version": "1.0",
            "title": drawn.title,
            "nodes": [node.key for node in drawn.nodes],
            "edges": [list(edge) for edge in drawn.edges],
        },
        lambda: graphs.render(drawn, form),
    )
    return ending.DONE
