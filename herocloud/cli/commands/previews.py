"""Commands that show what would change or has changed: `plan`, `drift`, `show`, `graph`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from herocloud.cli import exit_codes, flags, presentation, requests
from herocloud.cli.command import Call
from herocloud.kits.jsons import Json
from herocloud.model.errors import Refused
from herocloud.model.worlds import Recorded
from herocloud.operations import damage, distrust, stack_plans

if TYPE_CHECKING:
    from herocloud.operations.lookups import Seen


def plan(
    call: Call,
    *,
    variables: flags.Variables,
    wanted: flags.Planning,
    approval: flags.Approving,
    running: flags.Executing,
    exports: flags.Exports,
    out: Annotated[Path | None, flags.option("--out", "-o", metavar="FILE", help="Save the plan, for `apply FILE`.")] = None,
    destroy: Annotated[bool, flags.option("--destroy", variable="", help="Plan the removal of everything in the stack.")] = False,
    stack: flags.Stack = None,
    detailed_exitcode: flags.Detailed = False,
    rehearse: flags.Rehearse = False,
) -> int:
    """Show what apply would do; never locks, never changes anything.

    It takes the flags of apply too, so that one set of flags fits both; those about approval and about running have no effect here.
    """
    requests.make_approved(approval)
    requests.parse_seconds(running.lock_timeout, "--lock-timeout")
    asked = requests.make_asked(wanted, running, destroy=destroy, stack=stack)
    sources = requests.make_sources_for(call, variables, asked)
    if rehearse:
        from herocloud.cli import apply_flow

        return apply_flow.rehearse_new(call, sources, asked, running, exports)
    if out is not None:
        from herocloud.operations import plan_files

        plan_files.require_writable(out)
    try:
        planned = stack_plans.make_plan(call.folder, sources, asked, make_key=out is not None)
    except Refused as error:
        presentation.export_refusal(exports, error)
        if call.json:
            return presentation.show_refusal(call, error)
        raise
    presentation.show_plan(call, planned.plan, planned.notes)
    presentation.export_plan(exports, planned.plan, planned.notes)
    if planned.plan.errored or planned.plan.blocked:
        return exit_codes.code_of(stack_plans.kind_of_refusal(planned.plan)(planned.plan.diagnostics))
    if out is not None:
        plan_files.write(out, planned.plan)
        call.note(f"\nSaved the plan. To run exactly this: herocloud apply {out}")
    return exit_codes.CHANGES if detailed_exitcode and stack_plans.changes_something(planned.plan) else exit_codes.DONE


def drift(call: Call, *, stack: flags.Stack = None, detailed_exitcode: flags.Detailed = False) -> int:
    """Compare the world with the records; cannot write."""
    from herocloud.operations import lookups
    from herocloud.views import drift as view

    drifted_stacks = lookups.find_drift(call.folder, requests.choose_stack(call, stack))
    if len(drifted_stacks) == 1:
        only = drifted_stacks[0]
        presentation.show(
            call,
            lambda: view.document(only.stack, only.drift, only.unfinished),
            lambda: view.render(only.stack, only.drift, only.unfinished, color=call.screen.color_out),
        )
    else:
        texts = [
            view.render(drifted_stack.stack, drifted_stack.drift, drifted_stack.unfinished, color=call.screen.color_out)
            for drifted_stack in drifted_stacks
            if drifted_stack.differs
        ]
        presentation.show(
            call,
            lambda: {
                "format_version": view.FORMAT_VERSION,
                "drifted": any(drifted_stack.differs for drifted_stack in drifted_stacks),
                "stacks": [
                    view.document(drifted_stack.stack, drifted_stack.drift, drifted_stack.unfinished) for drifted_stack in drifted_stacks
                ],
            },
            lambda: "\n\n".join(texts) or "No drift.",
        )
    open_to_others = distrust.warnings(call.folder)
    exit_codes.tell_diagnostics(call.screen, open_to_others, quiet=call.quiet)
    differs = bool(open_to_others) or any(drifted_stack.differs for drifted_stack in drifted_stacks)
    return exit_codes.CHANGES if detailed_exitcode and differs else exit_codes.DONE


def show(
    call: Call,
    exports: flags.Exports,
    planfile: Annotated[Path | None, flags.argument(metavar="[PLANFILE]", help="A plan that `plan --out` saved.")] = None,
    stack: flags.Stack = None,
) -> int:
    """Show a saved plan, or what is recorded and observed."""
    from herocloud.operations import lookups, plan_files

    if planfile is not None:
        requests.refuse_beside_plan(call, "stack", "file")
        plan = plan_files.read(planfile)
        presentation.show_plan(call, plan)
        presentation.export_plan(exports, plan)
        return exit_codes.DONE
    requests.refuse_without_plan(call, *exports._fields)
    recorded = lookups.read_recorded(call.folder)
    exit_codes.tell_diagnostics(call.screen, damage.warnings(recorded), quiet=call.quiet)
    chosen = requests.choose_stack(call, stack)
    seen = lookups.see(call.folder, recorded, chosen)
    presentation.show(call, lambda: _document(recorded, seen), lambda: _text(call, recorded, seen))
    return exit_codes.DONE


def _document(recorded: Recorded, seen: "Seen") -> Json:
    from herocloud.views import details, remainders

    stacks: dict[str, dict[str, Json]] = {}
    for record in seen.records:
        entry = stacks.setdefault(record.stack, {"outputs": dict(recorded.outputs.get(record.stack, {})), "resources": []})
        thing = seen.things.get((record.stack, record.address))
        entry["resources"].append({**details.record_document(record), "observed": dict(thing.parts) if thing else None})
    return {
        "format_version": "1.0",
        "serial": recorded.serial,
        "lineage": recorded.lineage,
        "unfinished": [remainders.pending_document(pending) for pending in recorded.unfinished],
        "stacks": stacks,
    }


def _text(call: Call, recorded: Recorded, seen: "Seen") -> str:
    from herocloud.views import listings, results, tables

    if not seen.records:
        return "Nothing is recorded."
    color = call.screen.color_out
    blocks = []
    machines = [record for record in seen.records if record.kind == "vm"]
    others = [record for record in seen.records if record.kind != "vm"]
    if machines:
        blocks.append(tables.render(listings.vms(machines, seen.things), color=color, width=call.screen.width))
    if others:
        blocks.append(tables.render(listings.records(others), color=color, width=call.screen.width))
    for stack in dict.fromkeys(record.stack for record in seen.records):
        outputs = recorded.outputs.get(stack)
        if outputs:
            blocks.append(f"Outputs of {stack}:\n{results.outputs_text(outputs)}")
    for pending in recorded.unfinished:
        if pending.alive:
            blocks.append(f"{pending.id} of stack {pending.stack} is running (plan {pending.plan}).")
        else:
            blocks.append(f"{pending.id} of stack {pending.stack} (plan {pending.plan}) is not finished; `herocloud resume` goes on.")
    return "\n\n".join(blocks)


def graph(
    call: Call,
    variables: flags.Variables,
    planfile: Annotated[Path | None, flags.argument(metavar="[PLANFILE]", help="Draw the changes of a saved plan instead.")] = None,
    form: Annotated[Literal["dot", "mermaid"], flags.option("--format", variable="", help="For Graphviz, or for Markdown.")] = "dot",
) -> int:
    """Draw what depends on what, as dot or mermaid."""
    from herocloud.operations import plan_files, stack_files
    from herocloud.views import graphs

    if planfile is not None:
        requests.refuse_beside_plan(call, *variables._fields, "file")
        drawn = graphs.of_changes(plan_files.read(planfile))
    else:
        inspected = stack_files.inspect(call.folder, requests.make_sources(call, variables))
        exit_codes.tell_diagnostics(call.screen, inspected.notes, quiet=call.quiet)
        drawn = graphs.of_resources(inspected.desired.stack, inspected.desired.resources)
    presentation.show(
        call,
        lambda: {
            "format_version": "1.0",
            "title": drawn.title,
            "nodes": [node.key for node in drawn.nodes],
            "edges": [list(edge) for edge in drawn.edges],
        },
        lambda: graphs.render(drawn, form),
    )
    return exit_codes.DONE
