"""Making a plan: read the records, load the stack, look at the world, and let the planner decide. Locks nothing and writes nothing."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from herocloud.kits.jsons import Json, Spec
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model import ids, overlays
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Blocked, DoesNotFit, Refused
from herocloud.model.ids import Address, PlanId, StackName
from herocloud.model.plans import Plan
from herocloud.model.words import Action, Severity
from herocloud.model.worlds import Desired, Observed, Record, Recorded
from herocloud.operations import damage, distrust, inputs
from herocloud.operations.inputs import Hosting, Sources
from herocloud.plan.scope import PlanOptions

STDIN = "<stdin>"
"""What the standard input is called among the files of a stack."""


class Asked(NamedTuple):
    """What plan is wanted."""

    options: PlanOptions = PlanOptions()
    refresh: bool = True
    stack: str | None = None
    """The stack that is meant: destroyed by its records, without a file, and else the one that the file has to be of."""
    accelerator: str | None = None
    """What guests are to run on; nothing leaves it to the host file."""


class Planned(NamedTuple):
    """A plan with what it was made from."""

    plan: Plan
    desired: Desired
    recorded: Recorded
    observed: Observed | None
    hosting: Hosting
    notes: tuple[Diagnostic, ...] = ()
    """Warnings from the stack and the host; the plan's own are in the plan."""
    lacks_key: bool = False
    """True when the stack has secrets and there is no key for their digests yet, so that a change of them would go unseen."""
    undoes: PlanId | None = None
    """The plan that this one takes back."""
    undone: str | None = None
    """The name of its apply."""
    because: Diagnostic | None = None
    """Why it came out differently than the one that was shown before it."""


def without_file(plan: Plan, recorded: Recorded, observed: Observed | None, hosting: Hosting) -> Planned:
    """Put a plan that no stack file asked for together with what it was made from."""
    return Planned(plan, Desired(plan.stack, ()), recorded, observed, hosting)


def make_plan(folder: Path, stack: Sources, asked: Asked, *, make_key: bool = False) -> Planned:
    """Plan a stack; raises Refused when the input or the host does not allow any plan at all."""
    from herocloud.state import store

    recorded = store.read_recorded(folder)
    host = inputs.find_host(folder, recorded, stack.environment)
    if asked.stack is not None and asked.options.destroy:
        name = StackName(asked.stack)
        # Nothing may be left of it, as where its only apply was taken back.
        if name not in recorded.records and not _was_here(folder, name):
            raise Refused([unknown_stack(asked.stack, recorded)])
        return plan_desired(Desired(name, ()), recorded, host, asked, notes=host.diagnostics)
    loaded = inputs.load(folder, stack, host.host, make_key=make_key)
    notes = (*host.diagnostics, *loaded.diagnostics)
    if loaded.desired is None and asked.options.destroy:
        return _plan_removal(folder, stack, recorded, host, asked, notes)
    if loaded.desired is None:
        raise Refused(notes)
    if asked.stack not in (None, loaded.desired.stack):
        raise Refused([_other_stack(asked.stack or "", loaded.desired.stack, loaded.files)])
    planned = plan_desired(loaded.desired, recorded, host, asked, notes=notes)
    if planned.plan.diagnostics:
        from herocloud.plan import annotation
        from herocloud.stack import places

        found = places.locate(planned.plan.diagnostics, stack.files, stack.stdin)
        planned = planned._replace(plan=annotation.with_diagnostics(planned.plan, found))
    planned = _with_files(folder, planned, loaded.files)
    return planned._replace(lacks_key=loaded.uses_secrets and not inputs.has_key(folder))


def _other_stack(wanted: str, found: StackName, files: Sequence[str]) -> Diagnostic:
    """Say that the stack file is of another stack than the one that was named."""
    return Diagnostic(
        "other-stack",
        "The stack file is of another stack",
        f"`{files[0]}` describes the stack `{found}`, and `--stack` or HEROCLOUD_STACK names `{wanted}`.",
        hint=f"give the file of `{wanted}` with `-f`, or leave out `--stack` and unset HEROCLOUD_STACK",
    )


def _was_here(folder: Path, name: StackName) -> bool:
    from herocloud.state import store

    opened = store.open_state(folder, write=False)
    if opened is None:
        return False
    with opened:
        return any(version.stack == name for version in opened.history())


def _with_files(folder: Path, planned: Planned, names: Sequence[str]) -> Planned:
    """Note which files the plan was made of, and warn where it destroys what a file of the last apply may still declare."""
    from herocloud.plan import annotation

    files = tuple(os.path.abspath(name) for name in names if name != STDIN)  # noqa: PTH100  (links stay as they are named)
    plan = annotation.with_files(planned.plan, files)
    if len(files) == len(names) and any(change.action is Action.DELETE for change in plan.changes):
        forgotten = [file for file in _last_files(folder, plan.stack) if file not in files and Path(file).exists()]
        if forgotten:
            shown = ", ".join(f"`{os.path.relpath(file)}`" for file in forgotten)
            warning = Diagnostic(
                "file-forgotten",
                "A file of the last apply was not read",
                f"The last apply of `{plan.stack}` read {shown} too, and this plan does not; what only that file declares is destroyed.",
                severity=Severity.WARNING,
                hint=f"add `-f {os.path.relpath(forgotten[0])}`, or delete the file if that is meant",
            )
            planned = planned._replace(notes=(*planned.notes, warning))
    return planned._replace(plan=plan)


def _last_files(folder: Path, stack: StackName) -> tuple[str, ...]:
    from herocloud.state import store

    opened = store.open_state(folder, write=False)
    if opened is None:
        return ()
    with opened:
        return opened.last_files(stack)


def _plan_removal(folder: Path, stack: Sources, recorded: Recorded, host: Hosting, asked: Asked, notes: Sequence[Diagnostic]) -> Planned:
    """Plan the removal of a stack whose file does not load: its name is enough, what it made is in the records."""
    named = inputs.name_of_stack(folder, stack)
    if named is None or named not in recorded.records:
        raise Refused(notes)
    name = StackName(named)
    wrong = sum(1 for diagnostic in notes if diagnostic.is_error)
    found = Diagnostic(
        "only-the-name",
        "Only the name of the stack was used",
        f"{'One mistake keeps' if wrong == 1 else f'{wrong} mistakes keep'} `{stack.files[0]}` from loading; "
        f"everything recorded for stack `{name}` is removed.",
        severity=Severity.WARNING,
        hint="`herocloud validate` shows what is wrong with the file",
    )
    return plan_desired(Desired(name, ()), recorded, host, asked, notes=[*(note for note in notes if not note.is_error), found])


def plan_desired(desired: Desired, recorded: Recorded, host: Hosting, asked: Asked, *, notes: Sequence[Diagnostic] = ()) -> Planned:
    """Look at the world and plan."""
    from herocloud.plan import planner

    damage.require_sound(recorded, desired.stack)
    observed = look(host, None) if asked.refresh else None
    told = recorded.behind
    recorded = behind_marks(remember(recorded, observed, host), observed, host)
    if recorded.behind and not told:
        notes = (*notes, damage.say_behind(recorded))
    if not asked.options.destroy:
        host = with_overlay_keys(host, desired, recorded)
        host = able(inputs.with_accelerator(host, asked.accelerator), desired, asked.options.hypervisor)
        host = _with_image_needs(host, desired, recorded, observed)
        if any(resource.spec.get("forward") for resource in desired.resources if resource.kind == "network"):
            host = with_listeners(host)
    plan = planner.plan(desired, recorded, observed, host.host, asked.options)
    if plan.operation == "destroy" and plan.complete and not plan.purge:
        plan = _with_closed(plan, host.context.folder, recorded)
    plan = distrust.tell_in(plan, host.context.folder)
    return Planned(plan, desired, recorded, observed, host, tuple(notes))


def _with_closed(plan: Plan, folder: Path, recorded: Recorded) -> Plan:
    """Say of a removal what goes before it, with the applies that did not end."""
    from herocloud.operations import unfinished
    from herocloud.plan import annotation

    closing = unfinished.waiting(recorded.unfinished, plan.stack)
    making = {address: pending.id for pending in closing for address in unfinished.closing_takes_back(folder, pending)}
    return annotation.with_closed(plan, making) if making else plan


def able(host: Hosting, desired: Desired, hypervisor: str | None) -> Hosting:
    """Look up what this host can run, when the plan has to choose; nobody else pays for looking."""
    from herocloud.providers import registry, survey

    vms = {hypervisor or resource.provider for resource in desired.resources if resource.kind == "vm"}
    real = vms - {registry.simulation().name} or (not vms and any(resource.kind == "network" for resource in desired.resources))
    if host.host.simulated or not real:
        return host
    return host._replace(host=host.host._replace(abilities=survey.abilities(host.context)))


def _with_image_needs(host: Hosting, desired: Desired, recorded: Recorded, observed: Observed | None) -> Hosting:
    """Look up what images that may have to be fetched take of the disk; those that are there cost nothing more."""
    from herocloud.providers import registry

    records = recorded.records.get(desired.stack, {})
    things = observed.things.get(desired.stack, {}) if observed is not None else {}

    def is_there(address: Address, spec: Spec) -> bool:
        record = records.get(address)
        if record is None or not record.complete or record.spec != spec:
            return False
        return observed is None or (address in things and things[address].parts == record.parts)

    images = [resource.spec for resource in desired.resources if resource.kind == "image" and not is_there(resource.address, resource.spec)]
    role = registry.find(registry.usual("images")).images if images and not host.host.simulated else None
    if role is None:
        return host
    return host._replace(host=host.host._replace(image_needs=tuple(sorted(role.needs(host.context.folder, images).items()))))


def with_overlay_keys(host: Hosting, desired: Desired, recorded: Recorded) -> Hosting:
    """Look up the keys that addresses on the overlay follow from; nobody else pays for it."""
    if not any(resource.kind in ("mycelium", "peer") or resource.spec.get("mycelium") for resource in desired.resources):
        return host
    from herocloud.plan import overlay_addresses, overlay_keys

    wanted = overlay_keys.wanted_keys(desired, recorded.records.get(desired.stack, {}))
    others = [records for stack, records in recorded.records.items() if stack != desired.stack]
    host = with_keys(host, [*wanted, *overlay_keys.keys_of_others(others)])
    node = overlay_addresses.node_of(desired.resources)
    if node is None or node.spec.get("mode") == overlays.GUEST:
        return host
    if node.spec.get("interfaces") and not host.host.simulated:
        from herocloud.kits import interfaces

        host = host._replace(host=host.host._replace(interfaces=interfaces.names()))
    return _with_overlay_daemon(host)


def with_recorded_keys(host: Hosting, stack: StackName, records: Mapping[Address, Record], recorded: Recorded) -> Hosting:
    """Look up the keys that addresses in these records of a stack follow from, for a plan that gives them back."""
    from herocloud.plan import overlay_keys

    references = overlay_keys.recorded_keys(records)
    if references:
        others = [known for other, known in recorded.records.items() if other != stack]
        host = with_keys(host, [*references, *overlay_keys.keys_of_others(others)])
    node = records.get(overlays.NODE)
    return host if node is None or node.spec.get("mode") == overlays.GUEST else _with_overlay_daemon(host)


def _with_overlay_daemon(host: Hosting) -> Hosting:
    """Look for the daemon of the overlay that runs here; a simulated host has none."""
    from herocloud.providers import registry

    role = registry.find(registry.usual("overlay")).overlay
    if host.host.simulated or role is None or role.daemon is None:
        return host
    return host._replace(host=host.host._replace(overlay_daemon=role.daemon(host.context)))


def with_keys(host: Hosting, references: Sequence[Json]) -> Hosting:
    """Look up these keys of the overlay."""
    from herocloud.providers import registry

    role = registry.find(registry.usual("overlay")).overlay
    if role is None or role.keys is None or not references:
        return host
    found = role.keys(host.context, references, host.context.environment)
    return host._replace(host=host.host._replace(overlay_keys=tuple(sorted(found.items()))))


def with_listeners(host: Hosting) -> Hosting:
    """Look up which ports of this host are taken, for a plan that may publish some."""
    from herocloud.kits import listeners

    return host if host.host.simulated else host._replace(host=host.host._replace(listening=listeners.find_listeners()))


def look(host: Hosting, stacks: Sequence[StackName] | None) -> Observed:
    """Look at these stacks, or at everything that carries our mark."""
    from herocloud.observe import observer

    return observer.observe(host.context, stacks, inputs.observing_names(host.context))


def remember(recorded: Recorded, observed: Observed | None, host: Hosting) -> Recorded:
    """Return the records with the last one of each orphan that was seen: it was given slices, which are not to be given away again.

    Of one that this state never recorded, as where an older one was put back, the mark tells which slices it was given.
    """
    from herocloud.plan import capacity
    from herocloud.state import store

    own = (None, recorded.lineage)
    every = [] if observed is None else list(capacity.without_record(recorded, observed))
    marked = {sid: (thing.stack, thing.address) for thing in every for sid in thing.slices}
    recorded = recorded._replace(held=marked | dict(recorded.held)) if marked else recorded
    orphans = [thing for thing in every if thing.lineage in own]
    opened = store.open_state(host.context.folder, write=False) if orphans else None
    if opened is None:
        return recorded
    lost: dict[StackName, dict[Address, Record]] = {}
    with opened:
        for thing in orphans:
            record = opened.last_record(thing.stack, thing.address)
            if record is not None and thing.parts.get("machine", {}).get("sid", record.sid) == record.sid:
                lost.setdefault(thing.stack, {})[thing.address] = record
    return recorded._replace(lost=lost)


def behind_marks(recorded: Recorded, observed: Observed | None, host: Hosting) -> Recorded:
    """Return the records with how far they are behind what stands on the marks: a backup of the whole folder knows no later serial.

    An apply that began meanwhile writes newer marks than what was read before; then the state has that serial by now.
    """
    from herocloud.state import store

    seen = observed.serials.get(recorded.lineage or "", 0) if observed is not None else 0
    if seen <= recorded.serial + recorded.behind:
        return recorded
    opened = store.open_state(host.context.folder, write=False)
    if opened is None:
        return recorded
    with opened:
        return recorded if opened.serial >= seen else recorded._replace(behind=seen - recorded.serial)


def changes_something(plan: Plan) -> bool:
    """Return whether applying the plan would do anything; outputs are recorded too."""
    return bool(plan.changing) or plan.changes_outputs


def refuse_unapplyable(plan: Plan) -> None:
    """Raise what stands against this plan, with the error that decides the exit code."""
    errors = [diagnostic for diagnostic in plan.diagnostics if diagnostic.is_error]
    if not errors and not plan.blocked:
        return
    raise kind_of_refusal(plan)(errors or plan.diagnostics)


def kind_of_refusal(plan: Plan) -> type[Refused]:
    """Say what an errored or blocked plan is: too large for the host, blocked by protection, or wrong."""
    errors = [diagnostic for diagnostic in plan.diagnostics if diagnostic.is_error]
    rest = [error for error in errors if error.code != "protected"]
    if any(found.code.startswith("does-not-fit") for found in rest):
        return DoesNotFit
    if plan.blocked and not rest:
        return Blocked
    return Refused


def unknown_stack(name: str, recorded: Recorded) -> Diagnostic:
    """Say that nothing of this stack is recorded."""
    from herocloud.kits import nearest

    close = nearest.nearest(name, recorded.records)
    known = ", ".join(f"`{stack_name}`" for stack_name in sorted(recorded.records)) or "none"
    hint = f"did you mean `{close}`?" if close else f"stacks with records: {known}"
    # What could be no name is shown as Python writes it: a terminal must not obey it.
    shown = f"`{name}`" if ids.NAME.fullmatch(name) else f"{name[:80]!r}"
    return Diagnostic(
        "unknown-stack", "No records of this stack", f"Nothing is recorded for a stack {shown} in this data folder.", hint=hint
    )
