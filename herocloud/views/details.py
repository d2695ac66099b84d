"""One thing in full: a record, a VM, a slice, the host, the holder of the lock, the difference of two serials."""

from collections.abc import Iterable, Mapping

from herocloud.kits import sizes
from herocloud.kits.jsons import Json
from herocloud.model.hosts import Host, Slice
from herocloud.model.ids import Address, Sid, sort_key
from herocloud.model.worlds import Record, Thing
from herocloud.state.holders import Holder
from herocloud.views import listings, phrases, tables, values

Counters = Mapping[str, Mapping[str, int]]
"""What each device of a VM counted since it was plugged in."""
_NO_COUNTERS: Counters = {}


def record_text(record: Record, *, color: bool = False) -> str:
    """`state show ADDR`: the target, and what has really been made."""
    rows = [
        ("address", record.address),
        ("stack", record.stack),
        ("provider", record.provider),
        ("sid", record.sid or "-"),
        ("protected", "yes" if record.protect else "no"),
        ("complete", "yes" if record.complete else "no, an apply did not finish it"),
        ("needs", ", ".join(record.needs) or "-"),
    ]
    blocks = [tables.pairs(rows, color=color), "Target:\n" + tables.pairs(phrases.verbose_fields(record.spec), indent="    ")]
    made = [
        (f"{name}{'.' if path else ''}{path}", values.show(path, value))
        for name in sorted(record.parts)
        for path, value in values.leaves(record.parts[name])
    ]
    blocks.append("Made:\n" + tables.pairs(made, indent="    ") if made else "Nothing has been made yet.")
    return "\n\n".join(blocks)


def record_document(record: Record) -> dict[str, Json]:
    """Return one record as JSON; sensitive values are digests."""
    spec, mask = values.mask(record.spec)
    return {**tables.as_row(record), "spec": spec, "sensitive": mask, "parts": dict(record.parts), "format_version": tables.FORMAT_VERSION}


def vm_text(
    record: Record,
    seen: Mapping[tuple[str, Address], Thing] | None = None,
    *,
    ended: str | None = None,
    counters: Counters = _NO_COUNTERS,
    color: bool = False,
) -> str:
    """`vm show`: what people ask of a VM first, then every field, and what its devices counted."""
    row = listings.vm_row(record, seen)
    rows = [
        ("vm", str(row["address"])),
        ("stack", str(row["stack"])),
        ("state", str(row["state"])),
        *([("ended", ended)] if ended else []),
        ("sid", str(row["sid"] or "-")),
        ("slices", ", ".join(row["slices"]) or "-"),
        ("memory", values.show("memory", row["memory"])),
        ("vcpus", str(row["vcpus"])),
        ("image", str(row["image"] or "-")),
        ("addresses", "\n".join(row["addresses"]) or "-"),
        ("provider", str(row["provider"])),
        ("protected", "yes" if row["protect"] else "no"),
    ]
    fields = tables.pairs(phrases.verbose_fields(record.spec), indent="    ")
    counted = [
        (device, "\n".join(f"{name} {_count(name, value)}" for name, value in sorted(counts.items())))
        for device, counts in counters.items()
    ]
    more = "\n\nCounters:\n" + tables.pairs(counted, indent="    ") if counted else ""
    return f"{tables.pairs(rows, color=color)}\n\nFields:\n{fields}{more}"


def vm_document(
    record: Record,
    seen: Mapping[tuple[str, Address], Thing] | None = None,
    *,
    ended: str | None = None,
    counters: Counters = _NO_COUNTERS,
) -> dict[str, Json]:
    """Return one VM as JSON: the row of the list, the spec and the parts, how it ended if it should run and does not, and its counters."""
    more: dict[str, Json] = {"ended": ended} if ended else {}
    if counters:
        more["counters"] = {device: dict(counted) for device, counted in counters.items()}
    return {**record_document(record), **listings.vm_row(record, seen), **more}


def _count(name: str, value: int) -> str:
    if name.endswith("_bytes"):
        return values.show_bytes(value)
    return f"{value} µs" if "latency" in name else str(value)


def slice_text(host_slice: Slice, owners: Mapping[Sid, tuple[str, Address]], *, color: bool = False) -> str:
    """`slice show SID`."""
    row = listings.slice_row(host_slice, owners)
    rows = [
        ("slice", host_slice.sid),
        ("state", listings.show_slice_state(row["state"])),
        ("memory", values.show_bytes(host_slice.memory)),
        ("disk", values.show_bytes(host_slice.disk)),
    ]
    rows += [("stack", str(row["stack"])), ("vm", str(row["vm"]))] if row["vm"] else []
    return tables.pairs(rows, color=color)


def host_text(host: Host, *, color: bool = False) -> str:
    """`host show`: every value and where it came from."""
    sources = dict(host.sources)
    rows = [(name, _with_source(text, sources.get(name))) for name, text in _host_rows(host)]
    note = "\n\nThis host is described in host.yaml and does not exist: plans for it run on the simulator." if host.simulated else ""
    return tables.pairs(rows, color=color) + note


def host_document(host: Host) -> dict[str, Json]:
    """Return the machine as JSON."""
    row = tables.as_row(host)
    return {**row, "sources": dict(host.sources), "slice_count": len(host.slices), "format_version": tables.FORMAT_VERSION}


def holders_text(holders: Iterable[Holder], *, color: bool = False) -> str:
    """`state lock`: who works on what."""
    every = list(holders)
    if not every:
        return "The state is not locked."
    columns = (
        tables.Column("scope", "SCOPE"), tables.Column("operation", "OPERATION"), tables.Column("plan", "PLAN"),
        tables.Column("pid", "PID", right=True),
        tables.Column("user", "USER"), tables.Column("host", "HOST"), tables.Column("since", "SINCE"),
    )  # fmt: skip
    rows = tuple({**tables.as_row(holder), "scope": _scope_words(holder)} for holder in every)
    return "The state is locked.\n\n" + tables.render(tables.Listing("holders", columns, rows, ""), color=color)


def _scope_words(holder: Holder) -> str:
    kind = holder.scope.kind
    return {"host": "host", "stack": f"stack {holder.stack}", "vm": f"{holder.address} of stack {holder.stack}"}[kind]


def holders_document(holders: Iterable[Holder]) -> dict[str, Json]:
    """Return who holds which lock as JSON."""
    every = [{**tables.as_row(holder), "scope": holder.scope.kind} for holder in holders]
    return {"format_version": tables.FORMAT_VERSION, "locked": bool(every), "holders": every}


def serials_text(before: Iterable[Record], after: Iterable[Record]) -> str:
    """`state diff A B`: which records came, went or changed, field by field."""
    lines = []
    for sign, old, new in _paired(before, after):
        record = new or old
        if record is None:
            continue
        lines.append(f"  {sign} {record.address}   stack {record.stack}")
        if old is not None and new is not None:
            lines += [
                f"        {path} {values.show_pair(path, *pair)}" for path, *pair in phrases.differing(_comparable(old), _comparable(new))
            ]
    return "\n".join(lines) if lines else "No differences."


def serials_document(before: Iterable[Record], after: Iterable[Record]) -> dict[str, Json]:
    """Return the difference of two serials as JSON."""
    words = {"+": "added", "-": "removed", "~": "changed"}
    rows = []
    for sign, old, new in _paired(before, after):
        record = new or old
        if record is not None:
            fields = [] if old is None or new is None else list(phrases.differing(_comparable(old), _comparable(new)))
            rows.append(
                {
                    "stack": record.stack,
                    "address": record.address,
                    "what": words[sign],
                    "fields": [
                        {
                            "path": path,
                            "before": values.hide_value(path, first, sensitive=False),
                            "after": values.hide_value(path, second, sensitive=False),
                        }
                        for path, first, second in fields
                    ],
                }
            )
    return {"format_version": tables.FORMAT_VERSION, "changes": rows}


def outputs_document(outputs: Mapping[str, Json]) -> dict[str, Json]:
    """`output --json`: Terraform's shape, `{name: {value}}`."""
    return {name: {"value": value} for name, value in sorted(outputs.items())}


def _paired(before: Iterable[Record], after: Iterable[Record]) -> list[tuple[str, Record | None, Record | None]]:
    old = {(record.stack, record.address): record for record in before}
    new = {(record.stack, record.address): record for record in after}
    pairs: list[tuple[str, Record | None, Record | None]] = []
    for key in sorted({*old, *new}, key=lambda key: (key[0], sort_key(key[1]))):
        first, second = old.get(key), new.get(key)
        if first != second:
            pairs.append(("+" if first is None else "-" if second is None else "~", first, second))
    return pairs


def _comparable(record: Record) -> dict[str, Json]:
    made = {f"made.{name}": part for name, part in record.parts.items()}
    return {**record.spec, "protect": record.protect, "complete": record.complete, **made}


def _with_source(text: str, source: str | None) -> str:
    return f"{text} ({source})" if source else text


def _host_rows(host: Host) -> list[tuple[str, str]]:
    rows = [
        ("name", host.name),
        ("memory", sizes.show_size(host.memory)),
        ("disk", sizes.show_size(host.disk)),
        ("disk_free", sizes.show_size(host.disk_free)),
        ("cpus", str(host.cpus)),
    ]
    if host.hugepages:
        rows.append(("huge pages", sizes.show_size(host.hugepages)))
    if host.uplink:
        speed = "speed unknown" if host.uplink.speed is None else sizes.show_rate(host.uplink.speed, bits=True)
        rows.append(("uplink", f"{host.uplink.name}, {speed}"))
    rows += [(f"numa {node.number}", f"{len(node.cpus)} CPUs, {sizes.show_size(node.memory)}") for node in host.numa]
    host_slice = host.slices[0] if host.slices else None
    each = f" of {values.show_bytes(host_slice.memory)} and {values.show_bytes(host_slice.disk)} of disk" if host_slice else ""
    rows += [
        ("slices", f"{len(host.slices)}{each}"),
        ("reserve", f"memory {values.show_bytes(host.reserve_memory)}, disk {values.show_bytes(host.reserve_disk)}"),
        ("oversubscription", ", ".join(f"{name} {ratio:g}" for name, ratio in host.ratios._asdict().items())),
    ]
    if host.limit_disk is not None:
        rows.append(("limit disk", values.show_bytes(host.limit_disk)))
    if host.limit_network is not None:
        rows.append(("limit network", sizes.show_rate(host.limit_network, bits=True)))
    if host.limit_disk_io is not None:
        rows.append(("limit disk_io", sizes.show_rate(host.limit_disk_io)))
    rows.append(("images", f"{host.image_share:.0%} of the disk, {values.show_bytes(host.image_keep_free)} kept free"))
    if host.image_catalogue is not None:
        rows.append(("catalogue", host.image_catalogue))
    return rows
