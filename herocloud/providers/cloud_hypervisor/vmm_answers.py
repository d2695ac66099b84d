"""What the program may answer: the one schema between a VMM and everything else.

A guest that broke out of its machine speaks for the VMM, so an answer is foreign input like that of an agent. Only the fields that are read
here and there are checked, each for its type and for numbers that a machine can have; everything else passes. The generated models would
check all of it and take longer to load than a look takes.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from herocloud.kits.jsons import Json

if TYPE_CHECKING:
    from herocloud.providers.cloud_hypervisor import call_models as calls

_ALL_ONES = 2**64 - 1
_LONGEST_TEXT = 4096
_MOST_ENTRIES = 10_000
_MOST_SHOWN = 60


class BadAnswer(ValueError):
    """The answer is none of this API."""


class _List:
    """A list of entries of one shape."""

    def __init__(self, of: Any) -> None:
        self.of = of


class _Each:
    """A mapping of any names to values of one shape."""

    def __init__(self, of: Any) -> None:
        self.of = of


_BUCKET = {"size": int, "one_time_burst": int, "refill_time": int}
_DEVICES = _List({"id": str})
_INFO: Mapping[str, Any] = {
    "state": str,
    "memory_actual_size": int,
    "device_tree": _Each({}),
    "config": {
        "cpus": {"boot_vcpus": int, "affinity": _List({"vcpu": int, "host_cpus": _List(int)})},
        "memory": {"size": int, "hotplugged_size": int},
        "disks": _List({"id": str, "path": str, "readonly": bool, "rate_limiter_config": {"bandwidth": _BUCKET, "ops": _BUCKET}}),
        "net": _DEVICES,
    },
}
_REQUIRED = frozenset({"state", "config", "cpus", "memory", "boot_vcpus", "vcpu", "host_cpus", "size", "refill_time", "version"})
"""Names without which an answer says nothing. What else is missing, or null, was not set."""
_PING: Mapping[str, Any] = {"version": str, "pid": int}


def vm_info(answer: Json) -> "calls.VmInfo":
    """Read the answer to `vm.info`."""
    _require(answer, _INFO, "vm.info")
    return cast("calls.VmInfo", answer)


def ping(answer: Json) -> "calls.VmmPingResponse":
    """Read the answer to `vmm.ping`."""
    _require(answer, _PING, "vmm.ping")
    return cast("calls.VmmPingResponse", answer)


def counters(answer: Json) -> dict[str, dict[str, int]]:
    """Read the answer to `vm.counters`. Devices that never counted are left out: the program gives all ones, or a tenth of them."""
    _require(answer, _Each(_Each(int)), "vm.counters")
    return {
        device: {
            name: value for name, value in (counted or {}).items() if value is not None and value not in (_ALL_ONES, _ALL_ONES // 10**4)
        }
        for device, counted in (answer or {}).items()
    }


def _require(value: Json, shape: Any, where: str) -> None:
    if isinstance(shape, _List):
        if not isinstance(value, list) or len(value) > _MOST_ENTRIES:
            raise BadAnswer(f"`{where}` is not a list")
        for entry in value:
            _require(entry, shape.of, where)
        return
    if isinstance(shape, (_Each, Mapping)):
        if not isinstance(value, dict) or len(value) > _MOST_ENTRIES:
            raise BadAnswer(f"`{where}` is not an object")
        fields = dict.fromkeys(value, shape.of) if isinstance(shape, _Each) else shape
        for name, of in fields.items():
            place = f"{where}.{str(name)[:_MOST_SHOWN]}"
            if value.get(name) is not None:
                _require(value[name], of, place)
            elif name in _REQUIRED:
                raise BadAnswer(f"`{place}` is missing")
        return
    if not isinstance(value, shape) or (shape is int and not _is_number(value)) or (shape is str and not _is_text(value)):
        raise BadAnswer(f"`{where}` is not what this API answers")


def _is_number(value: int) -> bool:
    return not isinstance(value, bool) and 0 <= value <= _ALL_ONES


def _is_text(value: str) -> bool:
    """Return whether a text can be a path or a name: half a surrogate pair can be neither."""
    return len(value) <= _LONGEST_TEXT and "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
