"""The parts of a resource: what has to exist in the world for a target to be met, each part made by steps of its own.

Parts are what records hold, what providers report, and what probes compare; their shape here is the one shape.
"""

from collections.abc import Mapping

from herocloud.kits import jsons
from herocloud.kits.jsons import Json, Part, Spec
from herocloud.model.ids import StackName

PLAIN = {"image": "image", "network": "network", "mycelium": "overlay", "peer": "peer", "volume": "volume"}
"""The single part of every kind but VMs."""

_IMAGE_FIELDS = ("source", "sha256", "unpinned", "decompress", "format", "kernel", "initramfs", "cmdline")


def plain_parts(stack: StackName, kind: str, name: str, spec: Spec) -> dict[str, Part]:
    """Return the one part of anything but a VM."""
    if kind == "image":
        part: Json = {field: spec[field] for field in _IMAGE_FIELDS}
    elif kind == "network":
        # Which provider makes it is said by the step, so the part of a network is the same for all.
        part = {**{field: value for field, value in spec.items() if field != "mode"}, "bridge": f"hb-{jsons.digest([stack, name])[:8]}"}
    elif kind == "volume":
        part = {"size": spec["size"], "path": f"volumes/{stack}/{name}.raw"}
    else:
        part = dict(spec)
    return {PLAIN[kind]: part}


def vm_parts(spec: Spec, image: Spec, contents: dict[tuple[int, ...], str]) -> dict[str, Part]:
    """Return every part of a VM whose target is `spec`.

    `contents` remembers the digests of seed contents by the identity of their values, which counted VMs share: they live as long as the
    plan is made, so an identity stands for one value.
    """
    sid = spec["sid"]
    parts: dict[str, Part] = {}
    if spec["root_disk"]:
        parts["disk"] = {
            "size": spec["root_disk"]["size"],
            "path": f"vms/{sid}/root.raw",
            "image": spec["image"],
            "source": image_identity(image),
        }
    nics = [*spec["networks"], *overlay_cards(spec)]
    for nic in nics:
        parts[f"nic.{nic['slot']}"] = {field: nic[field] for field in ("network", "mac", "address", "tap", "rate")}
        if nic.get("open"):
            parts[f"nic.{nic['slot']}"]["open"] = nic["open"]
    if image.get("nocloud"):
        parts["seed"] = _seed(spec, nics, contents)
    parts["machine"] = _machine(spec, image, parts)
    parts["power"] = spec["state"]
    return parts


def overlay_cards(spec: Spec) -> list[dict[str, Json]]:
    """Return the card of a VM on the overlay; nothing for one that has a daemon of its own inside."""
    overlay = spec["mycelium"]
    return [{"network": "mycelium", "rate": None, **overlay}] if overlay and "slot" in overlay else []


def image_identity(image: Spec) -> str | None:
    """Name the content that a root disk is made from: the checksum where there is one, else the source."""
    return image.get("sha256") or image.get("source")


def _seed(spec: Spec, nics: list[Mapping[str, Json]], contents: dict[tuple[int, ...], str]) -> Part:
    """Describe the cloud-init seed. `instance` changes exactly when the guest should run its user data again; `digest` on any change."""
    shared = tuple(id(spec[field]) for field in ("ssh_keys", "user_data", "env", "secrets"))
    content = contents.get(shared)
    if content is None:
        secrets = {key: secret["digest"] for key, secret in spec["secrets"].items()}
        content = contents[shared] = jsons.digest([spec["ssh_keys"], spec["user_data"], spec["env"], secrets])
    overlay = spec["mycelium"]
    # A daemon inside of the guest reads its key and its peers out of the seed.
    inside = f" {jsons.dumps([overlay['key'], overlay['peers']])}" if overlay and "key" in overlay else ""
    identity = jsons.digest_text(f"{spec['hostname']} {content}{inside}")
    wiring = ",".join(f"{nic['mac']} {nic['address']} {nic['network']}" for nic in nics)
    return {
        "instance": f"{spec['sid']}-{identity[:8]}",
        "digest": jsons.digest_text(f"{identity} {wiring}"),
        "path": f"vms/{spec['sid']}/seed.iso",
    }


def _machine(spec: Spec, image: Spec, parts: Mapping[str, Part]) -> Part:
    options = spec["memory_options"]
    return {
        "sid": spec["sid"],
        "vcpus": spec["vcpus"],
        "max_vcpus": spec["cpu"]["max"],
        "affinity": spec["cpu"]["affinity"],
        "topology": spec["cpu"]["topology"],
        "memory": spec["memory"],
        "boot_memory": options["boot"],
        "hotplug": options["hotplug"],
        "hugepages": options["hugepages"],
        "mergeable": options["mergeable"],
        "root": {"direct": spec["root_disk"]["direct"], "rate": spec["root_disk"]["rate"]} if spec["root_disk"] else None,
        "volumes": spec["volumes"],
        "shares": spec["shares"],
        "nics": sorted(key for key in parts if key.startswith("nic.")),
        "payload": {field: image.get(field) for field in ("kernel", "initramfs", "cmdline")} if image.get("kernel") else None,
        "seed": parts["seed"]["instance"] if "seed" in parts else None,
        "labels": spec["labels"],
        "restart": spec["restart"],
    }
