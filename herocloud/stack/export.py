"""A stack file from what is recorded; loading and planning it again changes nothing.

A record holds what was decided, the file what was asked for. What the plan decides again each time from the record (slices by number,
addresses, MACs) is left out, so that the file stays one that a person would write; sizes and limits are written with their decided
values, because a default of tomorrow may differ from today's.

Instances of a VM put together again under one `count`. Values that differ from one instance to the next only by a number that grows with
it become `{{ index }}`. Instances that differ in another way, or a row with a gap, cannot be one block: each becomes a VM of its own,
with a rename that keeps the machine.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from herocloud.kits import sizes
from herocloud.kits.jsons import Json, Spec
from herocloud.model import overlay_seeds, overlays
from herocloud.model.hosts import SLICE_MEMORY
from herocloud.model.ids import StackName, split_address
from herocloud.model.worlds import Record

Fields = dict[str, Any]


def export_yaml(records: Iterable[Record], stack: StackName | str, outputs: Mapping[str, Json] | None = None) -> str:
    """Write the recorded targets of one stack as a stack file."""
    from herocloud.stack.layout import dump

    return dump.write(export_tree(records, stack, outputs))


def export_tree(records: Iterable[Record], stack: StackName | str, outputs: Mapping[str, Json] | None = None) -> Fields:
    """Return the file as plain values."""
    tree: Fields = {"stack": str(stack)}
    sections: dict[str, Fields] = {"images": {}, "networks": {}, "mycelium": {}, "volumes": {}}
    vms: list[Record] = []
    overlay: Fields | None = None
    for record in records:
        if record.kind == "image":
            sections["images"][_name(record)] = _image(record.spec)
        elif record.kind == "network":
            sections["networks"][_name(record)] = _network(record.spec)
        elif record.kind == "volume":
            sections["volumes"][_name(record)] = {"size": sizes.format_size(record.spec["size"]), **_set(protect=record.protect)}
        elif record.kind == "mycelium":
            overlay = overlay or {}
            overlay.update(_overlay(record.spec))
        elif record.kind == "peer":
            overlay = overlay or {}
            overlay.setdefault("peers", []).append(record.spec["endpoint"])
        else:
            vms.append(record)
    inside = next((record.spec["mycelium"] for record in vms if (record.spec.get("mycelium") or {}).get("mode") == overlays.GUEST), None)
    if inside is not None:
        overlay = {"mode": overlays.GUEST, **({"peers": inside["peers"]} if inside["peers"] else {})}
    if overlay is not None:
        sections["mycelium"] = overlay
    tree.update({name: section for name, section in sections.items() if section})
    imageless = {name for name, image in sections["images"].items() if "source" not in image}
    gathered, moved = gather([(record, export_vm(record, imageless)) for record in vms])
    if gathered:
        tree["vms"] = gathered
    if moved:
        tree["moved"] = moved
    if outputs:
        tree["outputs"] = {name: protect_braces(value) for name, value in outputs.items()}
    return tree


def _name(record: Record) -> str:
    parts = split_address(record.address)
    return record.address if parts is None else parts.name


def _set(**fields: Any) -> Fields:
    """Keep the fields that say something."""
    return {key: value for key, value in fields.items() if value not in (None, False, [], {})}


def _image(spec: Spec) -> Fields:
    source = spec["source"]
    fields = _set(
        source=source,
        sha256=spec["sha256"],
        unpinned=spec["unpinned"],
        decompress=None if spec["decompress"] == "none" else spec["decompress"],
        format=spec["format"],
        aliases=list(spec["aliases"]),
        kernel=spec["kernel"],
        initramfs=spec["initramfs"],
        cmdline=spec["cmdline"],
    )
    if spec["nocloud"] != (source is not None):
        fields["nocloud"] = spec["nocloud"]
    return fields


def _network(spec: Spec) -> Fields:
    forwards = [
        {"host_port": rule["host_port"], "vm": rule["vm"].removeprefix("vm."), "port": rule["port"]}
        | ({"protocol": rule["protocol"]} if rule["protocol"] != "tcp" else {})
        for rule in spec["forward"]
    ]
    return {"cidr": spec["cidr"], **_set(nat=spec["nat"], isolated=spec["isolated"], forward=forwards, mode=spec.get("mode"))}


def export_vm(record: Record, imageless: set[str]) -> Fields:
    """Return the fields of one VM as a file would say them."""
    spec = record.spec
    slices = spec["slices"]
    return _set(
        image=spec["image"],
        hypervisor=spec["hypervisor"],
        slices=len(slices) if isinstance(slices, list) else slices,
        vcpus=spec["vcpus"],
        memory=_size(spec["memory"]),
        cpu=_cpu(spec["cpu"]),
        memory_options=_memory_options(spec),
        root_disk=_root_disk(spec["root_disk"], asked=spec["image"] in imageless),
        volumes=[{"volume": use["volume"], "readonly": True} if use["readonly"] else use["volume"] for use in spec["volumes"]],
        shares=[{"path": share["path"], "tag": share["tag"]} for share in spec["shares"]],
        networks=[_nic(nic) for nic in spec["networks"]],
        mycelium=_overlay_use(spec["mycelium"]) if spec["mycelium"] is not None else None,
        ssh_keys=[protect_braces(key) for key in spec["ssh_keys"]],
        user_data=None if spec["user_data"] is None else {"text": protect_braces(spec["user_data"])},
        restart=None if spec["restart"] == "no" else spec["restart"],
        state=None if spec["state"] == "running" else spec["state"],
        protect=record.protect,
        env=protect_braces(dict(spec["env"])),
        labels=protect_braces(dict(spec["labels"])),
        snapshots=_snapshots(spec["snapshots"]) if spec.get("snapshots") else None,
        secrets={name: {key: one[key] for key in ("env", "file") if key in one} for name, one in spec["secrets"].items()},
    )


def _snapshots(policy: Spec) -> Fields:
    return {"keep": policy["keep"], "every": sizes.format_duration(policy["every"]), **_set(memory=policy["memory"])}


def _size(value: int | None) -> str | None:
    return sizes.format_size(value) if value else None


def _memory_options(spec: Spec) -> Fields:
    options = spec["memory_options"]
    fields = _set(
        hugepages=options["hugepages"], mergeable=options["mergeable"], hotplug=_room(spec), balloon=_size(options.get("balloon"))
    )
    return {**fields, "thp": False} if options.get("thp") is False else fields


def _room(spec: Spec) -> str | None:
    """Write what memory may grow by. Nothing is what a VM that fills its slices has anyway; one that does not would get room by default."""
    fills = isinstance(spec["slices"], list) and spec["memory"] >= SLICE_MEMORY * len(spec["slices"])
    room = spec["memory_options"]["hotplug"]
    return "0 B" if room == 0 and not fills else _size(room)


def _cpu(cpu: Spec) -> Fields:
    return _set(max=cpu["max"], affinity=cpu["affinity"], topology=dict(cpu["topology"]) if cpu["topology"] else None)


def _root_disk(disk: Spec | None, *, asked: bool) -> Fields | None:
    if disk is None:
        return None
    rate = disk["rate"] or {}
    fields = _set(
        size=_size(disk["size"]),
        direct=disk["direct"],
        rate=_set(
            bandwidth=_rate(rate.get("bandwidth")),
            burst=_rate(rate.get("burst")),
            iops=rate.get("iops"),
        ),
    )
    # A VM that boots from a kernel alone has a disk only because its file says so.
    return fields or ({"direct": False} if asked else None)


def _rate(value: int | None, *, bits: bool = False) -> str | None:
    return sizes.format_rate(value, bits=bits) if value else None


def _nic(nic: Spec) -> Any:
    rate = nic["rate"] or {}
    fields = _set(download=_rate(rate.get("download"), bits=True), upload=_rate(rate.get("upload"), bits=True))
    return {"network": nic["network"], "rate": fields} if fields else nic["network"]


_NUMBER = re.compile(r"\d+")


class _Different(Exception):
    """Two instances cannot be written as one text."""


def protect_braces(value: Any) -> Any:
    """Write braces that are not expressions so that they are read as braces."""
    if isinstance(value, str):
        return value.replace("{{", "{{ '{{' }}")
    if isinstance(value, dict):
        return {key: protect_braces(inner) for key, inner in value.items()}
    return [protect_braces(inner) for inner in value] if isinstance(value, list) else value


def gather(exported: Sequence[tuple[Record, Fields]]) -> tuple[Fields, list[dict[str, str]]]:
    """Return the blocks under `vms`, and the renames that they need."""
    groups: dict[str, dict[int | None, tuple[Record, Fields]]] = {}
    for record, fields in exported:
        parts = split_address(record.address)
        if parts is not None:
            groups.setdefault(parts.name, {})[parts.number] = (record, fields)
    whole = {name: list(group) for name, group in groups.items()}
    vms: Fields = {}
    moved: list[dict[str, str]] = []
    renamed: dict[str, str] = {}
    taken = set(groups)
    for name, group in groups.items():
        block = _as_one(group)
        if block is not None:
            vms[name] = block
            continue
        for number, (record, fields) in group.items():
            own = _free_name(f"{name}-{number}", taken)
            vms[own] = fields
            renamed[record.address] = own
            moved.append({"from": record.address, "to": f"vm.{own}"})
    needs = {record.address: record.needs for record, _fields in exported}
    for name, group in groups.items():
        for record, _fields in group.values():
            waits = _dependencies(needs[record.address], whole, renamed)
            if waits:
                vms[renamed.get(record.address, name)]["depends_on"] = waits
    return vms, moved


def _overlay(spec: Spec) -> Fields:
    """Return the block of the overlay, without what is so by default."""
    usual = {"mode": overlays.HOST, "daemon": overlays.AUTO, "interfaces": []}
    block: Fields = {"addresses": spec["addresses"]}
    block.update({key: spec[key] for key, value in usual.items() if spec.get(key, value) != value})
    if spec.get("host_open"):
        block["host_open"] = [port.removesuffix("/tcp") for port in spec["host_open"]]
    key = spec.get("key") or {}
    if key and "name" not in key:
        block["key"] = dict(key)
    return block


def _overlay_use(use: Json) -> Json:
    fields = {
        **({"seed": use["seed"]} if use.get("seed") else {}),
        **({"open": [port.removesuffix("/tcp") for port in use["open"]]} if use.get("open") else {}),
    }
    return fields or True


def _free_name(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "x"
    taken.add(name)
    return name


def _as_one(group: dict[int | None, tuple[Record, Fields]]) -> Fields | None:
    if None in group:
        return group[None][1] if len(group) == 1 else None
    numbers = sorted(number for number in group if number is not None)
    if numbers != list(range(len(numbers))):
        return None
    instances = [dict(group[number][1]) for number in numbers]
    for number, fields in zip(numbers, instances, strict=True):
        if len(instances) > 1 and _has_derived_seed(group[number][0]):
            # Every instance has a seed of its own; the plan keeps those that follow from names.
            opened = fields["mycelium"].get("open")
            fields["mycelium"] = {"open": opened} if opened else True
    needs = [{need for need in group[number][0].needs if need.startswith("vm.")} for number in numbers]
    if any(need != needs[0] for need in needs):
        return None
    try:
        same: Fields = _unite(instances)
    except _Different:
        return None
    return {"count": len(numbers), **same}


def _has_derived_seed(record: Record) -> bool:
    use = record.spec["mycelium"]
    return bool(use and use.get("seed")) and overlay_seeds.default(record.stack, record.address, record.spec) == use["seed"]


def _unite(values: Sequence[Any], *, numbers: bool = False) -> Any:
    """Return the one value that stands for all; `numbers` where a number may stand for a text."""
    first = values[0]
    if all(value == first for value in values):
        return first
    if all(isinstance(value, dict) and value.keys() == first.keys() for value in values):
        return {key: _unite([value[key] for value in values], numbers=numbers or key in {"env", "labels"}) for key in first}
    if all(isinstance(value, list) and len(value) == len(first) for value in values):
        return [_unite(column, numbers=numbers) for column in zip(*values, strict=True)]
    if all(isinstance(value, str) for value in values):
        return _unite_texts(values, numbers=numbers)
    raise _Different


def _unite_texts(texts: Sequence[str], *, numbers: bool) -> str:
    """Find the one number in a text that grows with the instance: `web-0`, `web-1` is `web-{{ index }}`."""
    for match in _NUMBER.finditer(texts[0]):
        if match.group() != str(int(match.group())):
            continue
        base = int(match.group())
        plus = f" + {base}" if base else ""
        before, after = texts[0][: match.start()], texts[0][match.end() :]
        if not numbers and not before and not after:
            continue  # A value that is only an expression would come back as a number.
        if before.endswith("{"):
            continue  # Three braces in a row would be read as an expression that begins one early.
        if all(text == f"{before}{base + number}{after}" for number, text in enumerate(texts)):
            return f"{before}{{{{ index{plus} }}}}{after}"
    raise _Different


def _dependencies(needs: Sequence[str], whole: dict[str, list[int | None]], renamed: dict[str, str]) -> list[str]:
    """Return the VMs that a VM waits for; all instances of one are written as one."""
    waits: dict[str, None] = {}
    asked = set(needs)
    for need in needs:
        parts = split_address(need)
        if parts is None or parts.kind != "vm":
            continue
        if need in renamed:
            waits[f"vm.{renamed[need]}"] = None
        elif parts.number is not None and all(f"vm.{parts.name}[{number}]" in asked for number in whole.get(parts.name, [])):
            waits[f"vm.{parts.name}"] = None
        else:
            waits[need] = None
    return list(waits)
