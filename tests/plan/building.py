"""Makers of desired stacks and hosts for the planner's tests, in the shape that the loader emits."""

from typing import Any

from herocloud.model import ids
from herocloud.model.hosts import Host, Slice
from herocloud.model.ids import StackName
from herocloud.model.worlds import Desired, Resource

GIB = 1024**3


def host(slices: int = 16, *, disk: int = 100, cpus: int | None = None, **more: Any) -> Host:
    """A simulated machine with so many slices of 4 GiB and `disk` GiB each."""
    return Host(
        name="node1",
        memory=(4 * slices + 1) * GIB,
        disk=slices * disk * GIB,
        disk_free=slices * disk * GIB,
        cpus=cpus or max(1, slices),
        slices=tuple(Slice(ids.slice_sid(number + 1), 4 * GIB, disk * GIB) for number in range(slices)),
        simulated=True,
        **more,
    )


def image(name: str = "debian12", **more: Any) -> Resource:
    spec = {
        "source": f"https://example.org/{name}.qcow2",
        "sha256": f"{name}-checksum",
        "unpinned": False,
        "decompress": "none",
        "format": "qcow2",
        "nocloud": True,
        "aliases": [],
        "kernel": None,
        "initramfs": None,
        "cmdline": None,
        **more,
    }
    return Resource(ids.make_address("image", name), "image", name, None, spec)


def kernel(name: str = "tiny", **more: Any) -> Resource:
    return image(name, **{"source": None, "sha256": None, "format": None, "nocloud": False, "kernel": "/images/vmlinuz", **more})


def network(name: str = "lan", **more: Any) -> Resource:
    spec = {"cidr": "10.42.0.0/24", "nat": True, "isolated": False, "forward": [], **more}
    return Resource(ids.make_address("network", name), "network", name, None, spec)


def volume(name: str = "data", size: int = 20, *, protect: bool = False) -> Resource:
    return Resource(ids.make_address("volume", name), "volume", name, None, {"size": size * GIB}, protect=protect)


def vm(name: str = "web", number: int | None = None, *, needs: tuple[str, ...] = (), protect: bool = False, **more: Any) -> Resource:
    """One VM; `networks`, `volumes` take names, sizes are in bytes."""
    networks = [{"network": one, "rate": None} if isinstance(one, str) else one for one in more.pop("networks", [])]
    volumes = [{"volume": one, "readonly": False} if isinstance(one, str) else one for one in more.pop("volumes", [])]
    spec = {
        "hypervisor": "auto",
        "image": "debian12",
        "slices": None,
        "slice": None,
        "vcpus": 1,
        "memory": None,
        "cpu": {"max": None, "affinity": None, "topology": None},
        "memory_options": {"hugepages": False, "mergeable": False, "hotplug": None},
        "root_disk": None,
        "volumes": volumes,
        "shares": [],
        "networks": networks,
        "mycelium": None,
        "ssh_keys": [],
        "user_data": None,
        "env": {},
        "labels": {},
        "secrets": {},
        "restart": "no",
        "state": "running",
        **more,
    }
    depends = [
        f"image.{spec['image']}",
        *(f"network.{one['network']}" for one in networks),
        *(f"volume.{one['volume']}" for one in volumes),
    ]
    if spec["mycelium"]:
        depends.append("mycelium.node")
    return Resource(
        ids.make_address("vm", name, number),
        "vm",
        name,
        number,
        spec,
        tuple(dict.fromkeys([*depends, *needs])),
        protect,
        provider=spec["hypervisor"],
    )


def vms(name: str, count: int, **more: Any) -> list[Resource]:
    return [vm(name, number, **more) for number in range(count)]


def desired(*resources: Resource | list[Resource], stack: str = "shop", **more: Any) -> Desired:
    flat = [one for given in resources for one in (given if isinstance(given, list) else [given])]
    return Desired(StackName(stack), tuple(sorted(flat, key=lambda one: ids.KINDS.index(one.kind))), **more)
