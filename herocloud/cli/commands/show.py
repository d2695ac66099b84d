"""`show`."""

from pathlib import Path
from typing import Annotated

import typer

from herocloud.cli import ending, flags, preparing, showing
from herocloud.cli.invoking import Call
from herocloud.kits.jsons import Json
from herocloud.model.worlds import Recorded
from herocloud.operations import filing, reading
from herocloud.operations.reading import Seen


def show(
    call: Call,
    exports: flags.Exports,
    planfile: Annotated[Path | None, typer.Argument(metavar="[PLANFILE]", help="A plan that `plan --out` saved.")] = None,
    stack: flags.Stack = None,
) -> int:
    """Show a saved plan, or what is recorded and observed."""
    if planfile is not None:
        plan = filing.read(planfile)
        showing.show_plan(call, plan)
        showing.export_plan(exports, plan)
        return ending.DONE
    recorded = reading.read_recorded(call.folder)
    chosen = preparing.choose_stack(call, stack)
    seen = reading.see(call.folder, recorded, chosen)
    showing.show(call, lambda: _document(recorded, seen), lambda: _text(call, recorded, seen))
    return ending.DONE


def _document(recorded: Recorded, seen: Seen) -> Json:
    from herocloud.views import details

    stacks: dict[str, dict[str, Json]] = {}
    for record in seen.records:
        entry = stacks.setdefault(record.stack, {"outputs": dict(recorded.outputs.get(record.stack, {})), "resources": []})
        thing = seen.things.get((record.stack, record.address))
        entry["resources"].append({**details.record_document(record), "observed": dict(thing.parts) if thing else None})
    return {
        "format_version": "1.0",
        "serial": recorded.serial,
        "lineage": recorded.lineage,
        "unfinished": recorded.unfinished,
        "stacks": stacks,
    }


def _text(call: Call, recorded: Recorded, seen: Seen) -> str:
    from herocloud.views import listings, results, tables

    if not seen.records:
        return "Nothing is recorded."
    color = call.screen.color_out
    blocks = []
    machines = [record for record in seen.records if record.kind == "vm"]
    others = [record for record in seen.records if record.kind != "vm"]
    if machines:
        blocks.append(tables.render(listings.vms(machines, seen.things), color=color))
    if others:
        blocks.append(tables.render(listings.records(others), color=color))
    for stack in dict.fromkeys(record.stack for record in seen.records):
        outputs = recorded.outputs.get(stack)
        if outputs:
            blocks.append(f"Outputs of {stack}:\n{results.outputs_text(outputs)}")
    if recorded.unfinished is not None:
        blocks.append(f"The apply of plan {recorded.unfinished} is not finished; `herocloud resume` goes on.")
    return "\n\n".join(blocks)
