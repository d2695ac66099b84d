"""What the host does about networks in user mode: rules that keep guests away from what listens on the host itself.

They are loaded when a VM starts. A network with a way out is `host: open` while somebody has taken them away or changed them, which is seen
and never wanted.
"""

from herocloud.kits.jsons import Json, Part
from herocloud.providers.vmm import loopback
from herocloud.providers.vmm.users import Range

HOST = "host"
_OPEN = "open"


def as_it_is(part: Json) -> Json:
    """Return a part as it is noted, with what somebody changed about the rules of the host."""
    return {**part, HOST: _OPEN} if _has_way_out(part) and loopback.was_opened() else part


def as_noted(part: Part) -> Part:
    """Return a part without what is only seen."""
    return None if part is None else {field: value for field, value in part.items() if field != HOST}


def close(part: Part, users: Range | None) -> None:
    """Load the rules again where somebody has taken them away."""
    if part is not None and _has_way_out(part) and loopback.was_opened():
        loopback.close(users)


def _has_way_out(part: Json) -> bool:
    """Return whether a part is a network whose guests reach more than each other's ports."""
    return "cidr" in part and part.get("nat") is not False
