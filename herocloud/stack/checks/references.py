"""References: every name that one part of the stack gives to another has to lead somewhere."""

from collections.abc import Iterable

from herocloud.kits.yaml.tree import Path
from herocloud.stack.findings import Findings
from herocloud.stack.instances import read_instance
from herocloud.stack.layers import Fields, View
from herocloud.stack.names import SECTIONS, Names, instance_trouble, own_blocks, suggest


def check_blocks(data: Fields, views: Iterable[View], names: Names, found: Findings) -> None:
    """Check what VMs and defaults refer to."""
    for path, fields in own_blocks(data, views):
        if "image" in fields and fields["image"] not in names.images and found.knows("images"):
            _report("image", fields["image"], (*path, "image"), names.images, found)
        if "size" in fields and fields["size"] not in names.sizes and found.knows("sizes"):
            _report("size", fields["size"], (*path, "size"), names.sizes, found)
        for number, use in enumerate(fields.get("networks") or ()):
            if use.get("network") is not None and use["network"] not in names.networks and found.knows("networks"):
                _report("network", use["network"], (*path, "networks", number, "network"), names.networks, found)
        for number, use in enumerate(fields.get("volumes") or ()):
            if use.get("volume") is not None and use["volume"] not in names.volumes and found.knows("volumes"):
                _report("volume", use["volume"], (*path, "volumes", number, "volume"), names.volumes, found)
        for number, address in enumerate(fields.get("depends_on") or ()):
            _check_dependency(address, (*path, "depends_on", number), names, found)


def _report(noun: str, wrong: str, path: Path, valid: Iterable[str], found: Findings, prefix: str = "") -> None:
    section = f"{noun}s"
    found.add(f"unknown-{noun}", path, f"There is no `{wrong}` under `{section}`.", suggest(wrong, valid, section, found, prefix))


def _check_dependency(address: str, path: Path, names: Names, found: Findings) -> None:
    kind, dot, rest = address.partition(".")
    if not dot or kind not in SECTIONS:
        instance = read_instance(address)
        near = (
            f"write `vm.{address}`"
            if instance and instance.name in names.vms
            else "addresses look like `vm.db`, `vm.web[0]` or `volume.data`"
        )
        found.add("bad-address", path, f"`{address}` is not an address.", near)
        return
    if not found.knows(SECTIONS[kind]):
        return
    if kind == "vm":
        instance = read_instance(address)
        if instance is None:
            found.add("bad-address", path, f"`{address}` is not an address.", "addresses look like `vm.db` or `vm.web[0]`")
        elif trouble := instance_trouble(instance.name, instance.number, names, found, one=False):
            found.add("unknown-vm", path, *trouble)
    elif rest not in names.of_kind(kind):
        _report(kind, rest, path, names.of_kind(kind), found, f"{kind}.")


def check_forwards(data: Fields, views: Iterable[View], names: Names, found: Findings) -> None:
    """Check the VMs that ports are forwarded to, and that no port is promised twice."""
    if not any(network.get("forward") for network in (data.get("networks") or {}).values()):
        return
    taken: dict[tuple[int, str], str] = {}
    attached = attachments(views, names, found)
    for network, fields in (data.get("networks") or {}).items():
        for number, forward in enumerate(fields.get("forward") or ()):
            path = ("networks", network, "forward", number)
            if "vm" in forward and found.knows("vms"):
                _check_forward(network, forward["vm"], (*path, "vm"), attached, names, found)
            port, protocol = forward.get("host_port"), forward.get("protocol", "tcp")
            if port is None or not found.knows(*path, "protocol"):
                continue
            if (port, protocol) in taken:
                detail = f"{protocol.upper()} port {port} of the host already leads to `{taken[port, protocol]}`."
                found.add("port-twice", (*path, "host_port"), detail, "choose another `host_port`")
            else:
                taken[port, protocol] = forward.get("vm", "another VM")


def _check_forward(network: str, text: str, path: Path, attached: dict[str, frozenset[str] | None], names: Names, found: Findings) -> None:
    instance = read_instance(text)
    if instance is None:
        found.add("bad-address", path, f"`{text}` names no VM.", "write `db`, or `web[0]` for one of several")
    elif trouble := instance_trouble(
        instance.name, instance.number, names, found, one=True, prefix="vm." if text.startswith("vm.") else ""
    ):
        found.add("unknown-vm", path, *trouble)
    else:
        networks = attached.get(instance.name)
        if networks is not None and network not in networks:
            found.add("not-attached", path, f"`{instance.name}` is not on the network `{network}`.", f"add `{network}` to its `networks`")


def attachments(views: Iterable[View], names: Names, found: Findings) -> dict[str, frozenset[str] | None]:
    """Return the networks of each VM; nothing where one of them is uncertain."""
    attached: dict[str, frozenset[str] | None] = {}
    for view in views:
        uses = view.fields.get("networks") or ()
        certain = view.knows(found, "networks") and all(use.get("network") in names.networks for use in uses)
        certain = certain and not found.pruned.gone_from(view.where("networks"))
        known = frozenset(use["network"] for use in uses) if certain else None
        before = attached.get(view.name, frozenset())
        attached[view.name] = None if known is None or before is None else before | known
    return attached
