"""References: every name that one part of the stack gives to another has to lead somewhere."""

from collections.abc import Iterable

from herocloud.kits.yaml.tree import Path
from herocloud.stack.findings import Findings
from herocloud.stack.instances import read_instance
from herocloud.stack.layers import Fields, View
from herocloud.stack.names import SECTIONS, Names, instance_trouble, own_blocks, suggest


def check_blocks(data: Fields, views: Iterable[View], names: Names, findings: Findings) -> None:
    """Check what VMs and defaults refer to."""
    for path, fields in own_blocks(data, views):
        if "image" in fields and fields["image"] not in names.images and findings.knows("images"):
            _report("image", fields["image"], (*path, "image"), names.images, findings)
        if "size" in fields and fields["size"] not in names.sizes and findings.knows("sizes"):
            _report("size", fields["size"], (*path, "size"), names.sizes, findings)
        for number, use in enumerate(fields.get("networks") or ()):
            if use.get("network") is not None and use["network"] not in names.networks and findings.knows("networks"):
                _report("network", use["network"], (*path, "networks", number, "network"), names.networks, findings)
        for number, use in enumerate(fields.get("volumes") or ()):
            if use.get("volume") is not None and use["volume"] not in names.volumes and findings.knows("volumes"):
                _report("volume", use["volume"], (*path, "volumes", number, "volume"), names.volumes, findings)
        for number, address in enumerate(fields.get("depends_on") or ()):
            _check_dependency(address, (*path, "depends_on", number), names, findings)


def _report(noun: str, wrong: str, path: Path, valid: Iterable[str], findings: Findings, prefix: str = "") -> None:
    section = f"{noun}s"
    findings.add(f"unknown-{noun}", path, f"There is no `{wrong}` under `{section}`.", suggest(wrong, valid, section, findings, prefix))


def _check_dependency(address: str, path: Path, names: Names, findings: Findings) -> None:
    kind, dot, rest = address.partition(".")
    if not dot or kind not in SECTIONS:
        instance = read_instance(address)
        near = (
            f"write `vm.{address}`"
            if instance and instance.name in names.vms
            else "addresses look like `vm.db`, `vm.web[0]` or `volume.data`"
        )
        findings.add("bad-address", path, f"`{address}` is not an address.", near)
        return
    if not findings.knows(SECTIONS[kind]):
        return
    if kind == "vm":
        instance = read_instance(address)
        if instance is None:
            findings.add("bad-address", path, f"`{address}` is not an address.", "addresses look like `vm.db` or `vm.web[0]`")
        elif trouble := instance_trouble(instance.name, instance.number, names, findings, one=False):
            findings.add("unknown-vm", path, *trouble)
    elif rest not in names.of_kind(kind):
        _report(kind, rest, path, names.of_kind(kind), findings, f"{kind}.")


def check_forwards(data: Fields, views: Iterable[View], names: Names, findings: Findings) -> None:
    """Check the VMs that ports are forwarded to, and that no port is promised twice."""
    if not any(network.get("forward") for network in (data.get("networks") or {}).values()):
        return
    taken: dict[tuple[int, str], str] = {}
    attached = attachments(views, names, findings)
    for network, fields in (data.get("networks") or {}).items():
        for number, forward in enumerate(fields.get("forward") or ()):
            path = ("networks", network, "forward", number)
            if "vm" in forward and findings.knows("vms"):
                _check_forward(network, forward["vm"], (*path, "vm"), attached, names, findings)
            port, protocol = forward.get("host_port"), forward.get("protocol", "tcp")
            if port is None or not findings.knows(*path, "protocol"):
                continue
            if (port, protocol) in taken:
                detail = f"{protocol.upper()} port {port} of the host already leads to `{taken[port, protocol]}`."
                findings.add("port-twice", (*path, "host_port"), detail, "choose another `host_port`")
            else:
                taken[port, protocol] = forward.get("vm", "another VM")


def _check_forward(
    network: str, text: str, path: Path, attached: dict[str, frozenset[str] | None], names: Names, findings: Findings
) -> None:
    instance = read_instance(text)
    if instance is None:
        findings.add("bad-address", path, f"`{text}` names no VM.", "write `db`, or `web[0]` for one of several")
    elif trouble := instance_trouble(
        instance.name, instance.number, names, findings, one=True, prefix="vm." if text.startswith("vm.") else ""
    ):
        findings.add("unknown-vm", path, *trouble)
    else:
        networks = attached.get(instance.name)
        if networks is not None and network not in networks:
            findings.add(
                "not-attached", path, f"`{instance.name}` is not on the network `{network}`.", f"add `{network}` to its `networks`"
            )


def attachments(views: Iterable[View], names: Names, findings: Findings) -> dict[str, frozenset[str] | None]:
    """Return the networks of each VM; nothing where one of them is uncertain."""
    attached: dict[str, frozenset[str] | None] = {}
    for view in views:
        uses = view.fields.get("networks") or ()
        certain = view.knows(findings, "networks") and all(use.get("network") in names.networks for use in uses)
        certain = certain and not findings.pruned.gone_from(view.where("networks"))
        known = frozenset(use["network"] for use in uses) if certain else None
        before = attached.get(view.name, frozenset())
        attached[view.name] = None if known is None or before is None else before | known
    return attached
