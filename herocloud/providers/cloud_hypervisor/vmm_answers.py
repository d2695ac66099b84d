"""What Cloud Hypervisor may answer to those who look, checked where it comes in."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from herocloud.kits.jsons import Json
from herocloud.providers.vmm.answer_shapes import LARGEST_NUMBER, AnyNames, ListOf, require

if TYPE_CHECKING:
    from herocloud.providers.cloud_hypervisor import call_models as calls

_BUCKET = {"size": int, "one_time_burst": int, "refill_time": int}
_DEVICES = ListOf({"id": str})
_INFO: Mapping[str, Any] = {
    "state": str,
    "memory_actual_size": int,
    "device_tree": AnyNames({}),
    "config": {
        "cpus": {"boot_vcpus": int, "affinity": ListOf({"vcpu": int, "host_cpus": ListOf(int)})},
        "memory": {"size": int, "hotplugged_size": int},
        "balloon": {"size": int},
        "disks": ListOf({"id": str, "path": str, "readonly": bool, "rate_limiter_config": {"bandwidth": _BUCKET, "ops": _BUCKET}}),
        "net": _DEVICES,
    },
}
_REQUIRED = frozenset({"state", "config", "cpus", "memory", "boot_vcpus", "vcpu", "host_cpus", "size", "refill_time", "version"})
"""Names without which an answer says nothing. What else is missing, or null, was not set."""
_PING: Mapping[str, Any] = {"version": str, "pid": int}


def vm_info(answer: Json) -> "calls.VmInfo":
    """Read the answer to `vm.info`."""
    require(answer, _INFO, "vm.info", _REQUIRED)
    return cast("calls.VmInfo", answer)


def ping(answer: Json) -> "calls.VmmPingResponse":
    """Read the answer to `vmm.ping`."""
    require(answer, _PING, "vmm.ping", _REQUIRED)
    return cast("calls.VmmPingResponse", answer)


def counters(answer: Json) -> dict[str, dict[str, int]]:
    """Read the answer to `vm.counters`. Devices that never counted are left out: the program gives all ones, or a tenth of them."""
    require(answer, AnyNames(AnyNames(int)), "vm.counters")
    return {
        device: {
            name: value
            for name, value in (counted or {}).items()
            if value is not None and value not in (LARGEST_NUMBER, LARGEST_NUMBER // 10**4)
        }
        for device, counted in (answer or {}).items()
    }
