"""A stack file from what is recorded; loading and planning it again changes nothing.

A record holds what was decided, the file what was asked for. What the plan decides anew each time from the record (slices by number,
addresses, MACs) is left out, so that the file stays one that a person would write; sizes and limits are written with their decided
values, because a default of tomorrow may differ from today's.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from herocloud.kits import sizes
from herocloud.kits.jsons import Json, Spec
from herocloud.model.ids import StackName, split_address
from herocloud.model.worlds import Record
from herocloud.stack import gathering

Fields = dict[str, Any]


def export_yaml(records: Iterable[Record], stack: StackName | str, outputs: Mapping[str, Json] | None = None) -> str:
    """Write the recorded targets of one stack as a stack file."""
    from herocloud.stack import writing

    return writing.write(export_tree(records, stack, outputs))


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
            overlay["addresses"] = record.spec["addresses"]
        elif record.kind == "peer":
            overlay = overlay or {}
            overlay.setdefault("peers", []).append(record.spec["endpoint"])
        else:
            vms.append(record)
    if overlay is not None:
        sections["mycelium"] = overlay
    tree.update({name: section for name, section in sections.items() if section})
    imageless = {name for name, image in sections["images"].items() if "source" not in image}
    gathered, moved = gathering.gather([(record, export_vm(record, imageless)) for record in vms])
    if gathered:
        tree["vms"] = gathered
    if moved:
        tree["moved"] = moved
    if outputs:
        tree["outputs"] = {name: gathering.protect_braces(value) for name, value in outputs.items()}
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
        {"host_port": one["host_port"], "vm": one["vm"].removeprefix("vm."), "port": one["port"]}
        | ({"protocol": one["protocol"]} if one["protocol"] != "tcp" else {})
        for one in spec["forward"]
    ]
    return {"cidr": spec["cidr"], **_set(nat=spec["nat"], isolated=spec["isolated"], forward=forwards)}


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
        memory_options=_set(
            hugepages=spec["memory_options"]["hugepages"],
            mergeable=spec["memory_options"]["mergeable"],
            hotplug=_size(spec["memory_options"]["hotplug"]),
        ),
        root_disk=_root_disk(spec["root_disk"], asked=spec["image"] in imageless),
        volumes=[{"volume": one["volume"], "readonly": True} if one["readonly"] else one["volume"] for one in spec["volumes"]],
        shares=[{"path": one["path"], "tag": one["tag"]} for one in spec["shares"]],
        networks=[_nic(one) for one in spec["networks"]],
        mycelium=({"seed": spec["mycelium"]["seed"]} if spec["mycelium"]["seed"] else True) if spec["mycelium"] is not None else None,
        ssh_keys=[gathering.protect_braces(key) for key in spec["ssh_keys"]],
        user_data=None if spec["user_data"] is None else {"text": gathering.protect_braces(spec["user_data"])},
        restart=None if spec["restart"] == "no" else spec["restart"],
        state=None if spec["state"] == "running" else spec["state"],
        protect=record.protect,
        env=gathering.protect_braces(dict(spec["env"])),
        labels=gathering.protect_braces(dict(spec["labels"])),
        secrets={name: {key: one[key] for key in ("env", "file") if key in one} for name, one in spec["secrets"].items()},
    )


def _size(value: int | None) -> str | None:
    return sizes.format_size(value) if value else None


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
