"""The parts of a resource: what has to exist in the world for a target to be met, each part made by steps of its own.

Parts are what records hold, what providers report, and what probes compare; their shape here is the one shape.
"""

from collections.abc import Mapping, Sequence

from herocloud.kits import jsons
from herocloud.kits.jsons import Json, Part, Spec
from herocloud.model import specs
from herocloud.model.ids import StackName
from herocloud.model.overlays import CARD
from herocloud.model.parts import SNAPSHOT, DiskPart, MachinePart, NicPart, SeedPart, VolumePart
from herocloud.model.specs import ImageSpec, Nic, Payload, VmSpec
from herocloud.model.words import Impact

PLAIN = {"image": "image", "network": "network", "mycelium": "overlay", "peer": "peer", "volume": "volume"}
"""The single part of every kind but VMs."""

_IMAGE_FIELDS = ("source", "sha256", "unpinned", "decompress", "format", "kernel", "initramfs", "cmdline")


def plain_parts(stack: StackName, kind: str, name: str, spec: Spec) -> dict[str, Part]:
    """Return the one part of anything but a VM."""
    if kind == "image":
        part: Json = {field: spec[field] for field in _IMAGE_FIELDS}
    elif kind == "network":
        # Which provider makes it is said by the step, so the part of a network is the same for all.
        part = {**{field: value for field, value in spec.items() if field != "mode"}, "bridge": bridge_of(stack, name)}
    elif kind == "volume":
        volume: VolumePart = {"size": specs.volume(spec)["size"], "path": f"volumes/{stack}/{name}.raw"}
        part = volume
    else:
        part = dict(spec)
    return {PLAIN[kind]: part}


def bridge_of(stack: StackName, name: str) -> str:
    """Return the name that the bridge of a network gets when it is made."""
    return f"hb-{jsons.digest([stack, name])[:8]}"


def vm_parts(spec: VmSpec, image: ImageSpec, contents: dict[tuple[int, ...], str]) -> dict[str, Part]:
    """Return every part of a VM whose target is `spec`.

    `contents` remembers the digests of seed contents by the identity of their values, which counted VMs share: they live as long as the
    plan is made, so an identity stands for one value.
    """
    sid = spec["sid"]
    parts: dict[str, Part] = {}
    if spec["root_disk"]:
        disk: DiskPart = {
            "size": spec["root_disk"]["size"],
            "path": f"vms/{sid}/root.raw",
            "image": spec["image"],
            "source": image_identity(image),
        }
        parts["disk"] = disk
    nics = [*spec["networks"], *overlay_cards(spec)]
    for nic in nics:
        card: NicPart = {
            "network": nic["network"],
            "mac": nic["mac"],
            "address": nic["address"],
            "tap": nic["tap"],
            "rate": nic["rate"],
        }
        if nic.get("open"):
            card["open"] = nic["open"]
        parts[f"nic.{nic['slot']}"] = card
    seed = _seed(spec, nics, contents) if image.get("nocloud") else None
    if seed is not None:
        parts["seed"] = seed
    parts["machine"] = _machine(spec, image, sorted(key for key in parts if key.startswith("nic.")), seed)
    parts["power"] = spec["state"]
    return parts


def overlay_cards(spec: VmSpec) -> list[Nic]:
    """Return the card of a VM on the overlay; nothing for one that has a daemon of its own inside."""
    overlay = spec["mycelium"]
    if not overlay or "slot" not in overlay:
        return []
    # Its own fields besides those of a card stay with it.
    card: Nic = {"network": CARD, "rate": None, **overlay}  # type: ignore[typeddict-item]
    return [card]


def image_identity(image: ImageSpec) -> str | None:
    """Name the content that a root disk is made from: the checksum where there is one, else the source."""
    return image.get("sha256") or image.get("source")


def _seed(spec: VmSpec, nics: Sequence[Nic], contents: dict[tuple[int, ...], str]) -> SeedPart:
    """Describe the cloud-init seed. `instance` changes exactly when the guest should run its user data again; `digest` on any change."""
    shared = (id(spec["ssh_keys"]), id(spec["user_data"]), id(spec["env"]), id(spec["secrets"]))
    content = contents.get(shared)
    if content is None:
        secrets = {key: secret["digest"] for key, secret in spec["secrets"].items()}
        content = contents[shared] = jsons.digest([spec["ssh_keys"], spec["user_data"], spec["env"], secrets])
    overlay = spec["mycelium"]
    # A daemon inside of the guest reads its key and its peers out of the seed.
    inside = f" {jsons.dumps([overlay['key'], overlay['peers']])}" if overlay and "key" in overlay else ""
    identity = jsons.digest_text(f"{spec['hostname']} {content}{inside}")
    wiring = ",".join(f"{nic['mac']} {nic['address']} {nic.get('wired', nic['network'])}" for nic in nics)
    return {
        "instance": f"{spec['sid']}-{identity[:8]}",
        "digest": jsons.digest_text(f"{identity} {wiring}"),
        "path": f"vms/{spec['sid']}/seed.iso",
    }


def _machine(spec: VmSpec, image: ImageSpec, nics: list[str], seed: SeedPart | None) -> MachinePart:
    options = spec["memory_options"]
    part: MachinePart = {
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
        "nics": nics,
        "payload": payload_of(image),
        "seed": seed["instance"] if seed is not None else None,
        "labels": spec["labels"],
        "restart": spec["restart"],
    }
    if "balloon" in options:
        part["balloon"] = options["balloon"]
    if "thp" in options:
        part["thp"] = options["thp"]
    return part


def payload_of(image: ImageSpec) -> Payload | None:
    """Return what a VM of this image boots without a disk."""
    if not image.get("kernel"):
        return None
    return {"kernel": image.get("kernel"), "initramfs": image.get("initramfs"), "cmdline": image.get("cmdline")}


def is_as_wanted(present: Mapping[str, Part], target: Mapping[str, Part]) -> bool:
    """Return whether nothing has to be done to a VM but to record it; snapshots are nobody's wish and in nobody's way."""
    return {key: part for key, part in present.items() if not key.startswith(SNAPSHOT)} == dict(target)


def disk_impact(present: Mapping[str, Part], target: Mapping[str, Part]) -> Impact:
    """Return whether the root disk that is there can become what is wanted."""
    before, after = present.get("disk"), target.get("disk")
    if before is None:
        return Impact.LIVE
    fits = after is not None and before["source"] == after["source"] and before["size"] <= after["size"]
    return Impact.LIVE if fits else Impact.DATA
