"""What applies that run or did not end may come to hold: taken for everybody else until they end.

A reservation is a record as it may become. It is written down when the apply is admitted, and from then on every plan of another stack
counts it, and so does every plan of other addresses of the same stack, so that two applies at once never count on the same slice, port or
memory. It is as large as before and after together where an apply may hold both, and never smaller than what the capacity proof of that
apply found.
"""

from collections.abc import Collection, Mapping

from herocloud.kits.jsons import Json, Part, Spec
from herocloud.kits.shared_values import MadeLately
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.ids import Address, StackName
from herocloud.model.parts import SNAPSHOT
from herocloud.model.plans import Change, Plan
from herocloud.model.steps import FETCH
from herocloud.model.worlds import Record, Recorded
from herocloud.plan import claims, conflicts

OVERLAY_ADDRESSES = "overlay_addresses"
"""In the record of a VM whose apply is not finished: what it had and what it gets."""


def reserve(plan: Plan, records: Mapping[Address, Record]) -> tuple[Record, ...]:
    """Return what a plan may come to hold beside what is recorded."""
    reserved = []
    peaks = _peaks(plan)
    taken: dict[Address, dict[str, Part]] = {}
    for step in plan.steps:
        if step.part.startswith(SNAPSHOT) and step.after is not None:
            taken.setdefault(step.address, {})[step.part] = step.after
    for change in plan.changing:
        if change.after is None:
            continue
        before = records.get(change.address) or records.get(change.previous_address or change.address)
        parts = taken.get(change.address, {})
        sid = change.sid or (before.sid if before else None)
        record = Record(
            plan.stack, change.address, change.kind, change.provider, change.after, parts, complete=False, sid=sid, needs=change.needs
        )
        room = _on_the_way(before, record, peaks.get(change.address, 0))
        if room:
            record = record._replace(spec={**record.spec, claims.ON_THE_WAY: room})
        elif before is not None and before.spec == change.after and not parts:
            continue
        reserved.append(record)
    return tuple(reserved)


def _peaks(plan: Plan) -> dict[Address, int]:
    """Return how much more of the disk the steps of each address take than was taken before them, when they take most."""
    levels: dict[Address, int] = {}
    peaks: dict[Address, int] = {}
    for step in plan.steps:
        # A file that an image is converted from lies beside it until the end of its step; other steps exchange what they give.
        took = step.takes.disk - (0 if step.kind == FETCH else step.gives.disk)
        if took or step.gives.disk:
            level = levels.get(step.address, 0)
            peaks[step.address] = max(peaks.get(step.address, 0), level + took)
            levels[step.address] = level + step.takes.disk - step.gives.disk
    return peaks


def _on_the_way(before: Record | None, reserved: Record, peak: int) -> int:
    """Return what the steps of one address take beyond all that it has and gets: a second copy, an image while it is converted."""
    if peak <= 0:
        return 0
    has = claims.claim_of(before).disk if before is not None else 0
    return max(0, has + peak - claims.claim_of(_together(before, reserved)).disk)


def occupied(recorded: Recorded, stack: StackName | None, touched: Collection[str] = ()) -> Recorded:
    """Return the records with all that is reserved for others than a plan of this stack.

    A plan that is about some addresses alone says which it may touch: applies of other addresses of its stack may run beside it. One of the
    whole stack has the stack to itself.
    """
    if stack is not None and touched:
        recorded = recorded._replace(beside=held_beside(recorded, stack, touched))
    others = {owner: reserved for owner, reserved in recorded.reserved.items() if owner != stack}
    if not others:
        return recorded
    records = dict(recorded.records)
    for owner, reserved in others.items():
        present = dict(records.get(owner, {}))
        for address, record in reserved.items():
            present[address] = _together(present.get(address), record)
        records[owner] = present
    return recorded._replace(records=records)


def held_beside(recorded: Recorded, stack: StackName, touched: Collection[str]) -> Mapping[Address, Record]:
    """Return what counts in full at the other addresses of this stack on which applies work, or worked and did not end."""
    records, reserved = recorded.records.get(stack, {}), recorded.reserved.get(stack, {})
    pending = {apply.address for apply in recorded.unfinished if apply.stack == stack}
    held = {address: record for address, record in records.items() if None in pending or address in pending}
    held |= {address: _TOGETHER.make(_together, records.get(address), record) for address, record in reserved.items()}
    _TOGETHER.end_round()
    return {address: record for address, record in held.items() if address not in touched}


_TOGETHER: MadeLately[Record] = MadeLately()
"""Of a record and a reservation: in a process that stays, most applies of one plan still run when the next one is made."""


def _together(known: Record | None, reserved: Record) -> Record:
    """Return a record that holds what is recorded and what is reserved."""
    if known is None:
        return reserved
    parts = {**known.parts, **reserved.parts} if reserved.parts else known.parts
    return known._replace(spec=_larger(known.kind, known.spec, reserved.spec), parts=parts)


def find_taken(plan: Plan, taken: Recorded) -> list[Diagnostic]:
    """Return what a plan counts on that went to another stack since: ranges, ports, overlay addresses; `taken` are all records."""
    found = []
    others = [record for stack, records in taken.records.items() if stack != plan.stack for record in records.values()]
    networks = [record for record in others if record.kind == "network"]
    held = {address: record for record in others if record.kind == "vm" for address in overlay_addresses(record.spec)}
    for change in plan.changing:
        if change.kind == "vm" and change.after is not None:
            for address in set(overlay_addresses(change.after)).difference(overlay_addresses(change.before or {})):
                if address in held:
                    whose = f"`{held[address].address}` of stack `{held[address].stack}`"
                    found.append(_gone(change.address, f"the overlay address {address}", whose))
        if change.kind != "network" or change.after is None:
            continue
        for record in networks:
            whose = f"`{record.address}` of stack `{record.stack}`"
            if _share_range(change, record):
                found.append(_gone(change.address, f"the range {change.after['cidr']}", whose))
            both = _ports(change.after) & _ports(record.spec) - _ports(change.before or {})
            found += [_gone(change.address, f"port {number}/{protocol} of the host", whose) for protocol, number in sorted(both)]
    return found


def _share_range(change: Change, other: Record) -> bool:
    import ipaddress

    if not all(conflicts.shares_ranges(provider) for provider in (change.provider, other.provider)):
        return False
    wanted, held = (change.after or {}).get("cidr"), other.spec.get("cidr")
    if not wanted or not held or (change.before or {}).get("cidr") == wanted:
        return False
    return ipaddress.ip_network(wanted).overlaps(ipaddress.ip_network(held))


def _ports(network: Spec) -> set[tuple[str, int]]:
    return {(rule["protocol"], rule["host_port"]) for rule in network.get("forward") or ()}


def _gone(address: Address, what: str, whose: str) -> Diagnostic:
    detail = f"{what} was free when the plan was made. Now {whose} has it. Plan again; nothing was changed."
    return Diagnostic("stale-plan", "The plan is stale", detail[0].upper() + detail[1:], address=address)


def _larger(kind: str, before: Spec, after: Spec) -> Spec:
    """Return a target that holds what either of the two does."""
    if kind == "volume":
        return {**after, "size": max(before["size"], after["size"])}
    if kind == "network":
        return {**after, "forward": _both(before, after, "forward")}
    if kind != "vm":
        return after
    return {
        **after,
        "slices": _both(before, after, "slices"),
        "memory": max(before["memory"], after["memory"]),
        "vcpus": max(before["vcpus"], after["vcpus"]),
        "networks": max(before["networks"], after["networks"], key=_bandwidth),
        OVERLAY_ADDRESSES: sorted({*overlay_addresses(before), *overlay_addresses(after)}),
        "root_disk": max(before["root_disk"], after["root_disk"], key=lambda disk: disk["size"] if disk else 0),
    }


def overlay_addresses(spec: Spec) -> tuple[str, ...]:
    """Return the addresses on the overlay that a VM has, or may come to have while its apply is not finished."""
    own = (spec.get("mycelium") or {}).get("address")
    return tuple({*spec.get(OVERLAY_ADDRESSES, ()), *([own] if own else ())})


def _both(before: Spec, after: Spec, field: str) -> list[Json]:
    held = list(after.get(field) or ())
    return held + [value for value in before.get(field) or () if value not in held]


def _bandwidth(networks: Json) -> int:
    return sum(max(nic["rate"]["download"] or 0, nic["rate"]["upload"] or 0) for nic in networks if nic["rate"])
