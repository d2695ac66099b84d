"""What a change is called and how it is summed up, for every view that people read.

Text, Markdown and HTML differ in layout only; the words live here once, so that a pull request and a terminal never disagree.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping

from herocloud.kits import sizes
from herocloud.kits.jsons import Json, Spec
from herocloud.model.ids import Address
from herocloud.model.plans import Change, Drift, FieldDiff, Plan
from herocloud.model.words import Action, Cause, Impact, Reason
from herocloud.views import user_data_changes, values

REASONS = {
    Reason.NONE: "",
    Reason.NOT_RECORDED: "not there yet",
    Reason.UNFINISHED: "an earlier apply did not finish it",
    Reason.FIELDS_CHANGED: "fields changed",
    Reason.NEEDS_POWER_CYCLE: "needs a power-cycle",
    Reason.NEEDS_REPLACEMENT: "has to be re-created",
    Reason.IMAGE_CHANGED: "the image changed",
    Reason.DRIFTED: "changed outside herocloud",
    Reason.VANISHED: "is gone from the host",
    Reason.CRASHED: "its hypervisor stopped it with an internal error, or its guest panicked",
    Reason.SILENT: "its guest uses the processor and has never written to its serial line",
    Reason.UNRESPONSIVE: "its hypervisor lives and does not answer",
    Reason.GONE_FROM_FILE: "gone from the stack file",
    Reason.DESTROY: "asked for by destroy",
    Reason.REPLACE_ASKED: "asked for by --replace",
    Reason.MOVED: "renamed",
    Reason.ADOPTED: "found on the host and taken over",
    Reason.UNDO: "taken back",
    Reason.SNAPSHOT_ASKED: "asked for by vm snapshot",
    Reason.RESTORE_ASKED: "asked for by vm snapshot restore",
}

LIFT = "set `protect: false` in the stack file and apply that first"
"""How protection is lifted: it is a field like any other, so that lifting it is reviewed like any other change."""

_TALLIED = (
    (Action.CREATE, "to add", True),
    (Action.UPDATE, "to change", True),
    (Action.STOP, "to stop", False),
    (Action.REBOOT, "to reboot", False),
    (Action.REPLACE, "to replace", False),
    (Action.ADOPT, "to adopt", False),
    (Action.MOVE, "to move", False),
    (Action.FORGET, "to forget", False),
    (Action.DELETE, "to destroy", True),
)
_RANKS = {
    Action.MOVE: 0,
    Action.ADOPT: 1,
    Action.FORGET: 2,
    Action.CREATE: 3,
    Action.UPDATE: 4,
    Action.STOP: 5,
    Action.REBOOT: 6,
    Action.REPLACE: 7,
    Action.DELETE: 8,
}


def arrange(plan: Plan) -> list[Change]:
    """Return the changes in the order in which people should read them: what costs nothing first, what destroys data last."""
    # sorted() is stable, so the planner's own order holds among equals.
    return sorted(plan.changing, key=lambda change: (change.impact is Impact.DATA, _RANKS[change.action]))


def action_words(change: Change) -> str:
    """Name the action the way the list of changes does."""
    if change.action is Action.UPDATE and change.impact <= Impact.LIVE:
        return "update live"
    return change.action.value


def lines(change: Change, *, purge: bool = False) -> list[str]:
    """Sum up one change: the first line always says the most important thing; more lines follow where several fields differ."""
    if change.action is Action.CREATE:
        differences = [_made(change)]
    elif change.action is Action.DELETE:
        differences = [_unmade(change, purge=purge)]
    else:
        differences = _differences(change)
    differences += [line for line in remarks(change) if line not in differences]
    return differences or [REASONS[change.reason]]


def remarks(change: Change) -> list[str]:
    """Say what there is to know of a change besides its fields."""
    said = [change.note] if change.note else []
    if change.action is Action.CREATE and change.reason is Reason.ADOPTED:
        said.append(f"takes over what is there of it: {', '.join(sorted(change.parts_before or {}))}")
    elif change.action is Action.CREATE and change.reason is not Reason.NOT_RECORDED:
        said.append(f"because {'it ' if change.reason is Reason.VANISHED else ''}{REASONS[change.reason]}")
    if change.previous_address and f"was `{change.previous_address}`" not in change.note:
        said.append(f"was {change.previous_address}")
    if change.protected:
        said.append(f"blocked: it is protected; {LIFT}")
    return said


def hidden_fields(change: Change) -> int:
    """Count the fields that stay as they are."""
    if not change.fields or change.after is None or change.action is Action.CREATE:
        return 0
    # Drift is reported in fields of parts, and `protect` stands beside the spec: neither is among the fields that are counted here.
    shown = sum(_tally(field.after) for field in change.fields if not field.drift and field.path.partition(".")[0] in change.after)
    return max(0, values.tally_fields(change.after) - shown)


def field_line(field: FieldDiff) -> str:
    """Write one field as `memory 4 GiB → 7 GiB`, with what it costs."""
    text = f"{field_name(field.path)} {_shown(field)}"
    if field.why:
        # `cpu.max 4 → 8 needs a power-cycle` reads as one sentence; `image a → b, root disk is destroyed` needs the comma.
        text += f" {field.why}" if field.why.startswith("needs") else f", {field.why}"
    if field.drift and not field.why:
        text += ", changed outside herocloud"
    return text


def field_name(path: str) -> str:
    """Return how people call a field; `image_id` is how a plan tells images of one name apart."""
    first, _, rest = path.partition(".")
    return {"image_id": f"image {rest}".strip(), "depends_on": "waits for"}.get(first, path)


def _shown(field: FieldDiff) -> str:
    before, after = field.before, field.after
    if field.path == "depends_on" and isinstance(before, list) and isinstance(after, list):
        gone, new = [value for value in before if value not in after], [value for value in after if value not in before]
        return ", ".join([*(f"+{value}" for value in new), *(f"-{value}" for value in gone)]) or "the same in another order"
    if field.path == "user_data" and isinstance(before, str) and isinstance(after, str):
        told = user_data_changes.describe(before, after)
        if told is not None:
            return told
    if after is None and field.path.startswith(("overlay.", "peer.")):
        # What the host side of the overlay lacks has a name only while it is lacking.
        return f"{values.show(field.path, before)} → restored"
    return values.show_pair(field.path, before, after, sensitive=field.sensitive)


def tally_actions(plan: Plan) -> dict[Action, int]:
    """Count the changes by action."""
    counts = dict.fromkeys(Action, 0)
    for change in plan.changes:
        counts[change.action] += 1
    return counts


def tally_line(plan: Plan) -> str:
    """Write `1 to add, 0 to change, 2 to destroy`; the three that Terraform always names are always named."""
    counts = tally_actions(plan)
    return ", ".join(f"{counts[action]} {words}" for action, words, always in _TALLIED if always or counts[action])


def time_line(plan: Plan) -> str:
    """Write how long it takes and who is down meanwhile: `About 40 s, 12 s of it downtime for vm.cache`."""
    down = [(change.address, change.downtime) for change in plan.changes if change.downtime]
    off = [change.address for change in plan.changes if change.downtime is None]
    text = f"About {_about(plan.critical_seconds)}"
    if len(down) == 1:
        text += f", {_about(down[0][1])} of it downtime for {down[0][0]}"
    elif 1 < len(down) <= 3:
        text += ", with downtime: " + ", ".join(f"{address} {_about(seconds)}" for address, seconds in down)
    elif down:
        text += f", with downtime of up to {_about(max(seconds for _, seconds in down))} each for {len(down)} VMs"
    if off:
        text += f"; {', '.join(off) if len(off) <= 3 else f'{len(off)} VMs'} {'stays' if len(off) == 1 else 'stay'} down"
    return text + "."


CAUSES = {
    Cause.UNFINISHED_APPLY: "Left by an apply that is not finished",
    Cause.FAILED_APPLY: "Left by an apply that did not succeed",
    Cause.OUTSIDE: "Changed outside herocloud",
    Cause.NO_RECORD: "Here without a record",
}
"""What heads the drift of each cause, in the order in which they are shown."""


def drift_groups(drifts: Iterable[Drift]) -> Iterator[tuple[str, list[tuple[Address, str]]]]:
    """Say what differs between the records and the world: for each cause its header and the rows below it."""
    drifts = list(drifts)
    for cause, header in CAUSES.items():
        rows = list(drift_rows(drift for drift in drifts if drift.cause is cause))
        if rows:
            yield header, rows


def drift_rows(drifts: Iterable[Drift]) -> Iterator[tuple[Address, str]]:
    """Say what differs between the records and the world, as (address, line); what is gone from one address is shown on one line."""
    for address, group in itertools.groupby(drifts, key=lambda drift: drift.address):
        gone = []
        for drift in group:
            if drift.after is None:
                gone.append(drift.part)
            elif drift.before is None and not isinstance(drift.after, Mapping):
                # A field and not a part: what was recorded says nothing of it, so it is only shown where it is not as it should be.
                yield address, f"{drift.part} is {values.show(drift.part, drift.after)}"
            elif drift.before is None:
                yield address, f"{drift.part} is there and was not made by herocloud"
            else:
                for path, old, new in differing(drift.before, drift.after, drift.part):
                    yield address, f"{path} {values.show_pair(path, old, new)}"
        if gone:
            yield address, f"{', '.join(gone)} {'is' if len(gone) == 1 else 'are'} gone"


def differing(before: Json, after: Json, path: str = "") -> Iterator[tuple[str, Json, Json]]:
    """Walk over the leaves at which two values differ."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from differing(before.get(key), after.get(key), f"{path}.{key}" if path else key)
    elif before != after:
        yield path, before, after


def verbose_fields(spec: Spec | None) -> list[tuple[str, str]]:
    """Return every field that is set, as (path, text): the defaults that were filled in among them."""
    if spec is None:
        return []
    return [
        (path, values.fingerprint(value) if values.is_sensitive(path) else values.show(path, value)) for path, value in values.leaves(spec)
    ]


def _tally(value: Json) -> int:
    return values.tally_fields(value) if isinstance(value, Mapping) else 0 if value is None else 1


def _differences(change: Change) -> list[str]:
    fields = sorted(change.fields, key=lambda field: -field.impact) if len(change.fields) > 1 else list(change.fields)
    found = [field_line(field) for field in fields]
    if change.downtime is None or change.downtime > 0:
        down = f"({down_words(change)})"
        if found:
            found[0] += f" {down}"
        else:
            found.append(f"{REASONS[change.reason]} {down}".lstrip())
    return found


def down_words(change: Change) -> str:
    """Say how long a VM is down for a change; nothing when it runs on."""
    if change.downtime is None:
        return "stays down"
    return f"~{_about(change.downtime)} down" if change.downtime > 0 else ""


def _made(change: Change) -> str:
    spec = change.after or {}
    if change.kind == "vm":
        return " · ".join(_vm_facets(spec)) or REASONS[change.reason]
    if change.kind == "volume":
        words = [values.show("size", spec.get("size"))]
    elif change.kind == "network":
        words = [str(spec.get("cidr", "")), *(word for word in ("nat", "isolated") if spec.get(word))]
        words += [f"port {rule['host_port']} → {rule['vm']}:{rule['port']}" for rule in spec.get("forward") or ()]
    elif change.kind == "image":
        words = [values.show("source", spec.get("source") or spec.get("kernel"))]
        words += ["unpinned"] if spec.get("unpinned") else []
    elif change.kind == "mycelium":
        words = ["VMs get addresses" if spec.get("addresses") else "no addresses for VMs"]
    else:
        words = ["Mycelium peer"]
    if change.protect:
        words.append("protected")
    return " · ".join(filter(None, words)) or REASONS[change.reason]


def _vm_facets(spec: Spec) -> Iterator[str]:
    """Name what was decided for a VM; the first four are what people look for, the defaults follow."""
    slices = spec.get("slices") or spec.get("slice")
    if isinstance(slices, int):
        yield f"{slices} slices" if slices != 1 else "1 slice"
    elif slices:
        yield f"slice {slices[0]}" if len(slices) == 1 else f"slices {values.show('slices', slices)}"
    if spec.get("memory"):
        yield values.show_bytes(spec["memory"])
    if spec.get("image"):
        yield str(spec["image"])
    for nic in spec.get("networks") or ():
        if nic.get("address"):
            yield str(nic["address"])
    overlay = spec.get("mycelium")
    if overlay:
        yield str(overlay.get("address") or "mycelium")
    if spec.get("vcpus"):
        yield f"{spec['vcpus']} vCPU"
    disk = spec.get("root_disk")
    if disk and disk.get("size"):
        yield f"disk {values.show_bytes(disk['size'])}"
    for volume in spec.get("volumes") or ():
        yield f"volume {volume['volume']}"
    if spec.get("state", "running") != "running":
        yield str(spec["state"])


def _unmade(change: Change, *, purge: bool) -> str:
    if change.note:
        return change.note
    if change.impact is not Impact.DATA:
        return REASONS[change.reason]
    spec = change.before or {}
    size = spec.get("size") if change.kind == "volume" else (spec.get("root_disk") or {}).get("size")
    what = f"{values.show_bytes(size)} of data" if size else "its data"
    return f"{what} is destroyed at once" if purge else f"{what} is kept in a tombstone"


def _about(seconds: float) -> str:
    # An estimate is not a measurement: below a second its digits would say more than anybody knows.
    return sizes.show_duration(max(1, round(seconds)))
