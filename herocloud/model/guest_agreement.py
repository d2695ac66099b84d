"""What a guest has to take part in while its machine changes: letting go of processors and devices, taking and giving memory.

It follows from guests and not from what runs them, so one place says it to plans, to drivers and to the simulator. A guest that is paused
answers nobody: what it has to agree to is never done, however long somebody waits.
"""

from herocloud.kits.jsons import Json, Part
from herocloud.model.ids import Address
from herocloud.model.powers import LEAVING
from herocloud.model.specs import plugged

PAUSED = "needs a power-cycle: a paused guest cannot take part (live once it is resumed)"
"""Why a change that is live on a running VM is not on one that stays paused."""
_NAMED, _DEVICES = ("volumes", "networks"), ("volumes", "networks", "mycelium")
"""The fields that hold devices; those of the first two stand there by name, and a name may be that of a field."""
_TOLD = frozenset({"size", "rate", "open", "download", "upload", "address", "prefix", "gateway"})
"""What changes about a device that stays plugged in."""

_FIELDS = {"nics": "networks"}
_ASKED = ("vcpus", "memory", "volumes", "nics", LEAVING)
"""The values of a machine that its guest may have to agree to, by their own names."""


def plugs(path: str) -> bool:
    """Return whether a change of the field at `path` plugs a device in or takes one out; `mycelium.open[1]` is about `open`."""
    top, *about = path.split(".")
    told = about[1:] if top in _NAMED else about
    return top in _DEVICES and _TOLD.isdisjoint(name.partition("[")[0] for name in told)


def is_asked(path: str, before: Json, after: Json) -> bool:
    """Return whether the guest has to take part in a change of the field at `path`, of a VM or of its machine."""
    if path == "vcpus":
        return bool(before and after and after < before)
    if path in ("memory", LEAVING):
        return True
    if not plugs(path):
        return False
    if isinstance(before, list) and isinstance(after, list):
        return _lets_go(before, after)
    # What was not there is only plugged in, and the guest finds it when it goes on.
    return before is not None


def is_asked_in(before: Part, after: Part) -> bool:
    """Return whether the guest has to take part in a change of its machine."""
    return any(is_asked(_FIELDS.get(key, key), before.get(key), after.get(key)) for key in _ASKED if before.get(key) != after.get(key))


def refusal(address: Address | str, what: str) -> str:
    """Say that a guest which is paused cannot do `what`, and the way out."""
    return f"`{address}` is paused, so its guest cannot {what}; `herocloud vm resume {address}` lets it go on"


def _lets_go(before: list[Json], after: list[Json]) -> bool:
    stays = [_as_plugged(one) for one in after]
    return any(_as_plugged(one) not in stays for one in before)


def _as_plugged(one: Json) -> Json:
    """Reduce a device to what has to be unplugged to change."""
    return (plugged(one), one.get("readonly")) if isinstance(one, dict) and "volume" in one else one
