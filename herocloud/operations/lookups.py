"""Reading the state and the world: records, history, outputs, drift, the contents of a report, the YAML of an export.

Everything here opens the state for reading only.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from herocloud.kits import nearest
from herocloud.kits.jsons import Json
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.applies import Pending, apply_number
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StackName
from herocloud.model.plans import HALF_MADE, Drift
from herocloud.model.words import Cause
from herocloud.model.worlds import Observed, Record, Recorded, Thing
from herocloud.operations import damage, inputs, stack_plans
from herocloud.state.history import Applied, Version
from herocloud.state.holders import Holder

if TYPE_CHECKING:
    from herocloud.plan.orphans import Orphan


class Seen(NamedTuple):
    """Records with what was seen of them."""

    records: tuple[Record, ...]
    things: Mapping[tuple[str, Address], Thing]


class Sides(NamedTuple):
    """Two moments of the state that are compared."""

    before: tuple[Record, ...]
    after: tuple[Record, ...]


def read_recorded(folder: Path) -> Recorded:
    """Return everything that is recorded."""
    from herocloud.state import store

    return store.read_recorded(folder)


def records_of(recorded: Recorded, stack: str | None) -> tuple[Record, ...]:
    """Return the records of one stack, or of all."""
    if stack is not None and stack not in recorded.records:
        return ()
    chosen = [StackName(stack)] if stack is not None else list(recorded.records)
    return tuple(record for name in chosen for record in recorded.records[name].values())


def find_record(recorded: Recorded, address: str, stack: str | None, *, kind: str | None = None) -> Record:
    """Return the one record that an address means; raises Refused that names the nearest, or the stacks that all have it."""
    wanted = _candidates(address, kind)
    damage.require_record(recorded, wanted, stack)
    records = [
        record for record in records_of(recorded, stack) if record.address in wanted or (record.sid is not None and record.sid == address)
    ]
    if len(records) == 1:
        return records[0]
    if records:
        owners = ", ".join(f"`{record.stack}`" for record in records)
        detail = f"`{address}` is recorded in {owners}."
        raise Refused([Diagnostic("ambiguous", "The address is not unique", detail, hint="name one with `--stack NAME`")])
    known = [record.address for record in records_of(recorded, stack) if kind is None or record.kind == kind]
    close = nearest.nearest(wanted[-1], known)
    where = f"stack `{stack}`" if stack else "this state"
    elsewhere = {record.stack for record in records_of(recorded, None) if record.address in wanted} if stack else set()
    if elsewhere:
        hint = f"another stack has it: add {' or '.join(f'`--stack {owner}`' for owner in sorted(elsewhere))}"
    else:
        hint = f"did you mean `{close}`?" if close else "`herocloud state list` shows what is recorded"
    raise Refused([Diagnostic("not-recorded", "The address is not recorded", f"There is no record of `{address}` in {where}.", hint=hint)])


def find_vm(recorded: Recorded, name: str, stack: str | None) -> Record:
    """Return the one VM that a name means; raises Refused as `find_record` does, and where it means something else."""
    record = find_record(recorded, name, stack, kind="vm")
    if record.kind != "vm":
        raise Refused([Diagnostic("not-a-vm", "Not a VM", f"`{record.address}` is a {record.kind}.", address=record.address)])
    return record


def _candidates(address: str, kind: str | None) -> tuple[str, ...]:
    return (address, f"{kind}.{address}") if kind is not None else (address,)


def see(folder: Path, recorded: Recorded, stack: str | None) -> Seen:
    """Look at the recorded things of one stack, or of all."""
    records = records_of(recorded, stack)
    if not records:
        return Seen((), {})
    stacks = tuple(dict.fromkeys(record.stack for record in records))
    observed = stack_plans.look(inputs.find_host(folder, recorded), stacks)
    return Seen(records, things_by_key(observed))


def say_how_it_ended(folder: Path, record: Record) -> str | None:
    """Say how a VM that should run and has no process came to its end, where its hypervisor knows."""
    from herocloud.providers import registry

    if record.spec.get("state") != "running" or not record.spec.get("sid"):
        return None
    return registry.hypervisor(record.provider).last_end(folder, record.spec["sid"])


def count(folder: Path, record: Record) -> Mapping[str, Mapping[str, int]]:
    """Return what the devices of a running VM counted, where its hypervisor counts."""
    from herocloud.providers import registry

    if not record.spec.get("sid"):
        return {}
    return registry.hypervisor(record.provider).counters(folder, record.spec["sid"])


def things_by_key(observed: Observed) -> dict[tuple[str, Address], Thing]:
    """Key what was seen by stack and address."""
    return {(stack, address): thing for stack, things in observed.things.items() for address, thing in things.items()}


def outputs_of(recorded: Recorded, stack: str) -> Mapping[str, Json]:
    """Return the outputs of a stack as its last apply left them; raises Refused when there is no such stack."""
    if stack not in recorded.records and stack not in recorded.outputs:
        raise Refused([stack_plans.unknown_stack(stack, recorded)])
    return recorded.outputs.get(StackName(stack), {})


def require_known(folder: Path, stack: str) -> None:
    """Raise unless a stack of this name is recorded here, or was: a slip in a name must not look like an empty stack."""
    recorded = read_recorded(folder)
    if stack in recorded.records or stack in recorded.outputs or any(pending.stack == stack for pending in recorded.unfinished):
        return
    if any(version.stack == stack for version in history(folder, None)):
        return
    raise Refused([stack_plans.unknown_stack(stack, recorded)])


def history(folder: Path, stack: str | None) -> list[Version]:
    """Return every operation that changed the state, newest first."""
    from herocloud.state import store

    opened = store.open_state(folder, write=False)
    if opened is None:
        return []
    with opened:
        # What was cut off is still written down as running, because nobody was left to write anything else.
        cut_off = {pending.id for pending in opened.pending() if not pending.alive}
        versions = [version for version in opened.history() if stack is None or version.stack in (None, stack)]
    return [one._replace(outcome="cut off") if one.outcome == "running" and one.apply in cut_off else one for one in versions]


def compare(folder: Path, before: str, after: str, stack: str | None) -> Sides:
    """Return what differs between two moments, each a serial or the name of an apply."""
    from herocloud.state import store

    opened = store.open_state(folder, write=False)
    if opened is None:
        raise Refused([Diagnostic("no-state", "There is no state yet", f"Nothing was ever applied in `{folder}`.")])
    with opened:
        serials = [_serial_of(moment, opened.applies()) for moment in (before, after)]
        found = [difference for difference in opened.diff(*serials) if stack is None or difference.stack == stack]
    return Sides(tuple(one.before for one in found if one.before), tuple(one.after for one in found if one.after))


def _serial_of(moment: str, applies: Sequence[Applied]) -> int:
    """Return the serial that a person means."""
    if moment.isdecimal():
        return int(moment)
    number = apply_number(moment)
    for apply in applies:
        if apply.apply == number:
            return apply.serial
    detail = f"`{moment}` is neither a serial nor the id of an apply."
    raise Refused([Diagnostic("unknown-serial", "There is no such serial", detail, hint="`herocloud state log` lists both")])


def require_stack(recorded: Recorded, stack: str | None) -> str:
    """Return the stack a command is about: the one that was chosen, or the only one there is."""
    if stack is not None:
        return stack
    known = sorted({*recorded.records, *recorded.outputs})
    if len(known) == 1:
        return known[0]
    names_of = ", ".join(f"`{stack_name}`" for stack_name in known)
    detail = f"There are records of {names_of}." if known else "Nothing is recorded in this data folder."
    raise Refused(
        [Diagnostic("which-stack", "No stack is chosen", detail, hint="name one with `--stack NAME`, or give its file with `-f`")]
    )


def holders(folder: Path) -> list[Holder]:
    """Return who holds a lock; a holder that died holds nothing."""
    from herocloud.state import locking

    return [holder for holder in locking.read_holders(folder) if holder.is_alive() is not False]


class Drifted(NamedTuple):
    """The drift of one stack."""

    stack: StackName
    drift: tuple[Drift, ...]
    unfinished: tuple[Pending, ...] = ()
    """Applies of the stack that did not end and on which nobody works."""
    orphans: Mapping[Address, Thing] = {}
    """What is there without a record, which is drift too."""

    @property
    def differs(self) -> bool:
        """Return whether anything is not as the records say, or is still to be finished."""
        return bool(self.drift or self.unfinished)


def find_drift(folder: Path, stack: str | None) -> list[Drifted]:
    """Look at one stack, or at all that have records or anything without one."""
    from herocloud.state import store

    recorded = store.read_recorded(folder)
    observed = stack_plans.look(inputs.find_host(folder, recorded), None if stack is None else [StackName(stack)])
    orphans = _orphans_by_stack(folder, recorded, observed)
    known = {*recorded.records, *orphans, *(pending.stack for pending in recorded.unfinished)}
    if stack is not None and stack not in known:
        raise Refused([stack_plans.unknown_stack(stack, recorded)])
    names = [StackName(stack)] if stack is not None else sorted(known)
    return [_with_orphans(_drift_of(name, recorded, observed), orphans.get(name, {})) for name in names]


def _orphans_by_stack(folder: Path, recorded: Recorded, observed: Observed) -> dict[StackName, dict[Address, Thing]]:
    """Return what is there without a record; not what carries the mark of another state, where it may be in use."""
    from herocloud.plan import orphans

    still = without_record_still(folder, orphans.find_orphans(recorded, observed))
    return by_stack(orphan.thing for orphan in still if not orphan.foreign)


def by_stack(things: Iterable[Thing]) -> dict[StackName, dict[Address, Thing]]:
    """Return things as a look at the world holds them."""
    found: dict[StackName, dict[Address, Thing]] = {}
    for thing in things:
        found.setdefault(thing.stack, {})[thing.address] = thing
    return found


def without_record_still(folder: Path, found: "Sequence[Orphan]") -> "list[Orphan]":
    """Return those that have no record after they were seen either: what an apply made since the records were read has one now."""
    if not found:
        return []
    now = read_recorded(folder).records
    return [orphan for orphan in found if orphan.thing.address not in now.get(orphan.thing.stack, {})]


def _with_orphans(drifted: Drifted, orphans: Mapping[Address, Thing]) -> Drifted:
    if not orphans:
        return drifted
    rows = tuple(Drift(address, address.partition(".")[0], "record", None, "missing", Cause.NO_RECORD) for address in orphans)
    return drifted._replace(drift=drifted.drift + rows, orphans=orphans)


def _drift_of(name: StackName, recorded: Recorded, observed: Observed | None) -> Drifted:
    """Compare one stack with what was seen; what is half made while an apply works on it is as it should be."""
    from herocloud.plan import differences, stray_names

    records = recorded.records.get(name, {})
    pending = [pending for pending in recorded.unfinished if pending.stack == name]
    waiting = tuple(apply for apply in pending if not apply.alive)
    if len(waiting) < len(pending):
        return Drifted(name, differences.find_drift(records, observed), waiting)
    strays = stray_names.find_recorded(name, recorded, observed)
    if observed is not None and strays:
        # What is there under another name than its record's is not gone.
        observed = stray_names.under_their_names(observed, name, strays)
    halves = differences.find_half_made(records, observed, waiting)
    named = stray_names.drift(records, strays, Cause.UNFINISHED_APPLY if waiting else Cause.FAILED_APPLY)
    known = {drift.address for drift in named}
    return Drifted(
        name,
        differences.find_drift(records, observed)
        + named
        + tuple(drift for drift in halves if drift.address not in known or drift.after != HALF_MADE),
        waiting,
    )


class Gathered(NamedTuple):
    """What is recorded, what was seen, and what happened."""

    host: Host
    records: tuple[Record, ...]
    things: Mapping[tuple[str, Address], Thing]
    drift: Mapping[str, tuple[Drift, ...]]
    history: tuple[Version, ...]


def gather(folder: Path, stack: str | None) -> Gathered:
    """Look at one stack, or at all."""
    recorded = read_recorded(folder)
    host = inputs.find_host(folder, recorded)
    records = records_of(recorded, stack)
    stacks = tuple(dict.fromkeys(record.stack for record in records))
    observed = stack_plans.look(host, stacks)
    return Gathered(
        host.host,
        records,
        things_by_key(observed),
        {name: _drift_of(name, recorded, observed).drift for name in stacks},
        tuple(history(folder, stack)),
    )


def export(
    folder: Path, stack: str | None, addresses: Sequence[str], shown: Callable[[Record], bool] = lambda _record: True
) -> list[tuple[StackName, str]]:
    """Write each stack, or only these addresses with what they need; all stacks when none is named. What is not `shown` is not there."""
    from herocloud.stack import export

    recorded = read_recorded(folder)
    if stack is not None and stack not in recorded.records:
        raise Refused([stack_plans.unknown_stack(stack, recorded)])
    recorded = recorded._replace(
        records={
            name: {address: record for address, record in records.items() if shown(record)} for name, records in recorded.records.items()
        }
    )
    exported = []
    wanted = {name: list(records_of(recorded, name)) for name in ([StackName(stack)] if stack is not None else sorted(recorded.records))}
    if addresses:
        chosen = [record for address in addresses for record in _find_records(recorded, address, stack)]
        wanted = {name: _with_needs(records, [record for record in chosen if record.stack == name]) for name, records in wanted.items()}
    for name, records in wanted.items():
        if records:
            # Outputs may speak of what was left out.
            outputs = None if addresses else recorded.outputs.get(name)
            exported.append((name, export.export_yaml(records, name, outputs)))
    if not exported:
        raise Refused([Diagnostic("nothing-recorded", "Nothing is recorded", "There are no records in this data folder.")])
    return exported


def _find_records(recorded: Recorded, pattern: str, stack: str | None) -> list[Record]:
    """Return the records that an address or a pattern means; where it means none, the refusal names the nearest."""
    from herocloud.plan import scope

    records = records_of(recorded, stack)
    matched = set(scope.matching(pattern, [record.address for record in records]))
    if not matched or pattern in matched:
        return [find_record(recorded, pattern, stack)]
    return [record for record in records if record.address in matched]


def _with_needs(records: Sequence[Record], chosen: Sequence[Record]) -> list[Record]:
    """Return the chosen records and everything they rely on, in the order of the state."""
    by_address = {record.address: record for record in records}
    seen: set[Address] = set()
    left = [record.address for record in chosen]
    while left:
        address = left.pop()
        if address not in seen and address in by_address:
            seen.add(address)
            left += by_address[address].needs
    return [record for record in records if record.address in seen]


def serials_of(folder: Path, text: str, wanted: Callable[[Record], bool]) -> frozenset[int]:
    """Return the serials at which records that hold a text, and are wanted, were made, changed or removed."""
    from herocloud.state import store

    opened = store.open_state(folder, write=False)
    if opened is None:
        return frozenset()
    with opened:
        return frozenset(serial for serials, record in opened.versions_with(text) if wanted(record) for serial in serials)


def past_applies(folder: Path) -> list[Applied]:
    """Return every apply, newest first."""
    from herocloud.state import store

    opened = store.open_state(folder, write=False)
    if opened is None:
        return []
    with opened:
        return opened.applies()


def last_boot(folder: Path) -> str | None:
    """Return the boot of the host in which something was applied last; nothing where nothing was."""
    from herocloud.state import store

    opened = store.open_state(folder, write=False)
    if opened is None:
        return None
    with opened:
        return opened.last_boot()
