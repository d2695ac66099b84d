"""Fields of a configuration: their defaults, what is needed, and the rules between them. Unknown fields are dropped without a word."""

import os
from typing import Any

from refusals import Refusal

Json = Any

_PCI = {"id": None, "pci_segment": 0, "pci_device_id": None}
DEFAULTS: dict[str, dict[str, Json]] = {
    "cpus": {
        "boot_vcpus": ...,
        "max_vcpus": ...,
        "topology": None,
        "kvm_hyperv": False,
        "max_phys_bits": 46,
        "affinity": None,
        "features": {"amx": False},
        "nested": True,
        "profile": "Host",
        "core_scheduling": "Vm",
    },
    "memory": {
        "size": ...,
        "mergeable": False,
        "hotplug_method": "Acpi",
        "hotplug_size": None,
        "hotplugged_size": None,
        "shared": False,
        "hugepages": False,
        "hugepage_size": None,
        "prefault": False,
        "reserve": False,
        "zones": None,
        "thp": True,
    },
    "payload": {"firmware": None, "kernel": None, "cmdline": None, "initramfs": None},
    "disk": {
        **_PCI,
        "path": None,
        "readonly": False,
        "direct": False,
        "num_queues": 1,
        "queue_size": 128,
        "vhost_user": False,
        "vhost_socket": None,
        "rate_limit_group": None,
        "rate_limiter_config": None,
        "disable_io_uring": False,
        "disable_aio": False,
        "serial": None,
        "queue_affinity": None,
        "backing_files": False,
        "sparse": True,
        "image_type": "Unknown",
        "lock_granularity": "ByteRange",
    },
    "net": {
        **_PCI,
        "tap": None,
        "ip": None,
        "mask": None,
        "mac": "2e:00:00:00:00:01",
        "host_mac": None,
        "mtu": None,
        "num_queues": 2,
        "queue_size": 256,
        "vhost_user": False,
        "vhost_socket": None,
        "vhost_mode": "Client",
        "rate_limiter_config": None,
        "offload_tso": True,
        "offload_ufo": True,
        "offload_csum": True,
    },
    "fs": {**_PCI, "tag": ..., "socket": ..., "num_queues": 1, "queue_size": 1024},
    "pmem": {**_PCI, "file": ..., "size": None, "discard_writes": False},
    "vsock": {**_PCI, "cid": ..., "socket": ...},
    "balloon": {**_PCI, "size": ..., "deflate_on_oom": False, "free_page_reporting": False},
    "rng": {**_PCI, "src": ...},
    "serial": {"file": None, "mode": ..., "socket": None},
    "console": {"file": None, "mode": ..., "socket": None, **_PCI},
    "platform": {
        "num_pci_segments": 1,
        "iommu_segments": None,
        "iommu_address_width_bits": 64,
        "system_serial_number": None,
        "system_uuid": None,
        "oem_strings": None,
        "iommufd": False,
        "vfio_p2p_dma": True,
    },
    "landlock": {"path": ..., "access": ...},
    "resize": {"desired_vcpus": None, "desired_ram": None, "desired_balloon": None},
    "resize-disk": {"id": ..., "desired_size": ...},
    "resize-zone": {"id": ..., "desired_ram": ...},
    "remove-device": {"id": ...},
    "snapshot": {"destination_url": ...},
    "restore": {"source_url": ..., "prefault": False, "memory_restore_mode": "Copy", "net_fds": None, "resume": False},
}
_SINCE = {
    "reserve": 53,
    "profile": 53,
    "lock_granularity": 52,
    "backing_files": 51,
    "pci_device_id": 52,
    "memory_restore_mode": 52,
    "resume": 52,
}
LISTS = {"disks": "disk", "net": "net", "fs": "fs", "pmem": "pmem"}
_SHOWN_UNSET = ("bandwidth", "ops", "one_time_burst")
_SINGLE = ("cpus", "memory", "rng", "serial", "console")
_OPTIONAL = ("payload", "balloon", "vsock", "platform")


def read(kind: str, given: Json, major: int) -> dict[str, Json]:
    """Read one object: known fields and defaults; a needed one that is missing is an error of the JSON reader."""
    if not isinstance(given, dict):
        raise Refusal("Error from API", f"invalid type: expected struct {kind}", status=400)
    value: dict[str, Json] = {}
    for name, default in DEFAULTS[kind].items():
        if _SINCE.get(name, 0) > major:
            continue
        found = given.get(name)
        if found is None:
            if default is ...:
                raise Refusal("Error from API", f"missing field `{name}` at line 1 column 2", status=400)
            found = default
        if name == "rate_limiter_config" and found is not None:
            found = _read_limiter(found)
        value[name] = found
    return value


def _read_limiter(given: Json) -> dict[str, Json]:
    for name, bucket in given.items():
        if name not in ("bandwidth", "ops"):
            raise Refusal("Error from API", f"unknown field `{name}`, expected `bandwidth` or `ops`", status=400)
        for needed in ("size", "refill_time"):
            if bucket is not None and needed not in bucket:
                raise Refusal("Error from API", f"missing field `{needed}`", status=400)
    read = {name: given.get(name) for name in ("bandwidth", "ops")}
    return {name: bucket and {"one_time_burst": None, **bucket} for name, bucket in read.items()}


def read_machine(given: Json, major: int) -> dict[str, Json]:
    """Read the configuration of a VM."""
    if not isinstance(given, dict):
        raise Refusal("Error from API", "invalid type: expected struct VmConfig", status=400)
    plain = {
        "cpus": {"boot_vcpus": 1, "max_vcpus": 1},
        "memory": {"size": 512 << 20},
        "rng": {"src": "/dev/urandom"},
        "serial": {"mode": "Null"},
        "console": {"mode": "Tty"},
    }
    value: dict[str, Json] = {name: read(name, given.get(name) or plain[name], major) for name in _SINGLE}
    value |= {name: read(name, given[name], major) for name in _OPTIONAL if given.get(name) is not None}
    value |= {name: [read(kind, one, major) for one in given[name]] for name, kind in LISTS.items() if given.get(name) is not None}
    if given.get("landlock_rules") is not None:
        value["landlock_rules"] = [read("landlock", one, major) for one in given["landlock_rules"]]
    value |= {name: bool(given.get(name, False)) for name in ("pvpanic", "iommu", "watchdog", "landlock_enable")}
    return value


def validate(machine: dict[str, Json]) -> None:
    """Hold a configuration against the rules, as every boot and every hotplug does."""
    problem = next(_problems(machine), None)
    if problem is not None:
        raise Refusal("Failed to validate config", problem)


def _problems(machine: dict[str, Json]) -> Any:
    payload, cpus, memory = machine.get("payload") or {}, machine["cpus"], machine["memory"]
    if payload.get("firmware") and payload.get("kernel"):
        yield "Specifying a kernel is not supported when a firmware is provided"
    if not payload.get("firmware") and not payload.get("kernel"):
        yield "No bootitem provided: neither firmware nor kernel"
    if cpus["max_vcpus"] < cpus["boot_vcpus"]:
        yield f"Max CPUs ({cpus['max_vcpus']}) lower than boot CPUs ({cpus['boot_vcpus']})"
    topology = cpus["topology"]
    if topology:
        product = 1
        for part in topology.values():
            product *= part
        if product == 0:
            yield "No part of the CPU topology can be zero"
        if topology["threads_per_core"] > 2:
            yield "CPU topology supports at most 2 threads per core"
        if product != cpus["max_vcpus"]:
            yield "Product of CPU topology parts does not match maximum vCPU"
    if memory["shared"] and memory["mergeable"]:
        yield "Invalid to set both `shared` and `mergeable`"
    yield from (
        f'Path "{one["path"]}" provided in landlock-rules does not exist'
        for one in machine.get("landlock_rules") or ()
        if not os.path.exists(one["path"])
    )
    yield from _device_problems(machine)


def _device_problems(machine: dict[str, Json]) -> Any:
    memory, boot = machine["memory"], machine["cpus"]["boot_vcpus"]
    seen: set[str] = set()
    for kind in ("disks", "net", "fs", "pmem", "rng", "console", "balloon", "vsock"):
        value = machine.get(kind)
        for device in value if isinstance(value, list) else [value] if value else []:
            name = device.get("id")
            if name is None:
                continue
            if name in seen:
                yield f"Identifier {name} is not unique"
            if name.startswith("__"):
                yield f"Identifier {name} is not invalid"
            seen.add(name)
    for disk in machine.get("disks") or ():
        if disk["num_queues"] > boot:
            yield f"Queue count ({disk['num_queues']}) must not exceed boot vCPUs ({boot})"
        if disk["serial"] and len(disk["serial"].encode()) > 20:
            yield f"Block device serial length ({len(disk['serial'].encode())}) exceeds maximum allowed length (20)"
    for net in machine.get("net") or ():
        if net["num_queues"] < 2:
            yield f"Number of queues ({net['num_queues']}) to virtio_net should be higher than 2"
        if net["num_queues"] // 2 > boot:
            yield f"Queue count ({net['num_queues'] // 2}) must not exceed boot vCPUs ({boot})"
        if net["mtu"] is not None and net["mtu"] < 1280:
            yield f"Provided MTU {net['mtu']} is lower than 1280 (expected by VIRTIO specification)"
    if machine.get("fs") and not (memory["shared"] or memory["hugepages"]):
        yield "Using vhost-user requires using shared memory or huge pages"
    vsock = machine.get("vsock")
    if vsock and vsock["cid"] in (0, 1, 2, 2**32 - 1):
        yield f"{vsock['cid']} is a special VSOCK CID"
    balloon = machine.get("balloon")
    if balloon and balloon["size"] >= memory["size"]:
        yield f"Balloon size ({balloon['size']}) greater than RAM ({memory['size']})"


def shown(value: Json, major: int) -> Json:
    """Return a configuration as `vm.info` shows it: what is not set is left out since release 53, and null before; of limits it is null."""
    if isinstance(value, dict):
        return {name: shown(one, major) for name, one in value.items() if one is not None or major < 53 or name in _SHOWN_UNSET}
    return [shown(one, major) for one in value] if isinstance(value, list) else value
