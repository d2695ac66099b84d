"""`state adopt`: taking something that is there back into the records."""

from pathlib import Path

from herocloud.kits import names
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.plans import Plan
from herocloud.model.worlds import Desired, Observed, Recorded, Thing
from herocloud.operations import hosting, planning, reading, sources
from herocloud.operations.hosting import Hosting
from herocloud.operations.planning import Planned
from herocloud.operations.sources import Sources
from herocloud.plan.options import PlanOptions


def plan_adopt(folder: Path, address: str, stack: str | None, given: Sources) -> Planned:
    """Plan to adopt one orphan: as it was last recorded here, or else as the stack file asks for it.

    The record comes first because it holds what was decided for this very thing: its sid, its MACs, its paths.
    """
    from herocloud.apply import collecting

    recorded = reading.read_recorded(folder)
    host = hosting.find_host(folder, recorded)
    observed = planning.look(host, None)
    thing = _find_orphan([one.thing for one in collecting.find_orphans(recorded, observed)], address, stack)
    plan = _plan_from_history(folder, thing, recorded, observed, host)
    if any(found.code == "never-recorded" for found in plan.diagnostics):
        by_file = _from_file(folder, thing, given, host)
        if by_file is not None:
            return by_file
    # All that was asked for is in it, and the outputs in it are those of the state.
    return Planned(plan._replace(complete=True), Desired(thing.stack, ()), recorded, observed, host)


def _plan_from_history(folder: Path, thing: Thing, recorded: Recorded, observed: Observed, host: Hosting) -> Plan:
    from herocloud.apply import collecting
    from herocloud.state import store

    opened = store.open_state(folder, write=False)
    if opened is None:
        return collecting.plan_adoption(thing.stack, [thing], lambda _address: None, recorded, observed, host.host)
    with opened:
        versions = (opened.records_at(one.serial - 1) for one in opened.history() if one.removed)
        look = collecting.last_record_in(versions, thing.stack)
        return collecting.plan_adoption(thing.stack, [thing], look, recorded, observed, host.host)


def _find_orphan(orphans: list[Thing], address: str, stack: str | None) -> Thing:
    found = [thing for thing in orphans if address in (thing.address, thing.address.partition(".")[2]) and stack in (None, thing.stack)]
    if len(found) == 1:
        return found[0]
    if found:
        owners = ", ".join(f"`{thing.stack}`" for thing in found)
        raise Refused(
            [
                Diagnostic(
                    "ambiguous",
                    "The address is not unique",
                    f"There are orphans `{address}` of {owners}.",
                    hint="name one with `--stack NAME`",
                )
            ]
        )
    close = names.nearest(address, [thing.address for thing in orphans])
    hint = f"did you mean `{close}`?" if close else "`herocloud state orphans` lists them"
    raise Refused([Diagnostic("no-orphan", "No such orphan", f"Nothing without a record carries our mark as `{address}`.", hint=hint)])


def _from_file(folder: Path, thing: Thing, given: Sources, host: Hosting) -> Planned | None:
    """Plan with the stack file, when there is one of this stack that asks for the orphan."""
    if reading.name_of_stack(given.files) != thing.stack:
        return None
    loaded = sources.load(folder, given, host.host)
    if loaded.desired is None or all(one.address != thing.address for one in loaded.desired.resources):
        return None
    asked = planning.Asked(PlanOptions(target=(thing.address,), operation="adopt"))
    return planning.plan_desired(loaded.desired, reading.read_recorded(folder), host, asked, notes=loaded.diagnostics)
