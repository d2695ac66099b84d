"""Everything that networks could leave behind on a host, written down so that two dumps can be compared.

Read with the programs of others and not with our own code, so that one mistake cannot hide another.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

SCRIPT = """
nft -j list ruleset; echo ====
ip -json -details link; echo ====
ip -json address; echo ====
ip route show table all; echo ====
tc qdisc; echo ====
ip neighbour show nud permanent; echo ====
find /proc/sys/net -type f -exec grep -s "" {} +; true
"""

_OF_ALL_VMS = "herocloud-vms"
"""The table that keeps VMs out of the host. It stays while any VM on this machine has a user of its own, be it one of a test beside."""
_TICKING = frozenset({
    "handle", "ifindex", "link_index", "port_no", "port_id", "designated_port", "root_port", "topology_change", "operstate", "flags",
    "state", "tso_max_size", "tso_max_segs", "id", "no",
})  # fmt: skip


def read(said: str) -> dict[str, Any]:
    """Arrange what the script printed, without numbers and clocks that tick by themselves."""
    parts = said.split("====\n")
    rules: dict[str, list[Any]] = {}
    for item in json.loads(parts[0])["nftables"][1:]:
        ((what, body),) = item.items()
        if _OF_ALL_VMS in (body.get("table"), what == "table" and body["name"]):
            continue
        place = " ".join(str(body[key]) for key in ("family", "table", "chain", "name") if key in body and (what, key) != ("rule", "name"))
        rules.setdefault(place, []).append({what: _settled(body)})
    lines = {name: sorted(text.splitlines()) for name, text in zip(("queues", "neighbours", "settings"), parts[4:], strict=True)}
    return {
        "rules": rules,
        "links": _by_name(parts[1]),
        "addresses": _by_name(parts[2]),
        "routes": sorted(_steady(parts[3].splitlines())),
        **lines,
    }


def without_table_of_all_vms(rules: str) -> str:
    """Return what `nft list ruleset` printed without the table that other tests may have loaded."""
    return re.sub(rf"table inet {_OF_ALL_VMS} \{{.*?^\}}\n", "", rules, flags=re.DOTALL | re.MULTILINE)


def _settled(value: Any) -> Any:
    """Take out of a dump what differs between two equal worlds."""
    if isinstance(value, dict):
        return {key: _settled(one) for key, one in value.items() if key not in _TICKING and not key.endswith("timer")}
    return [_settled(one) for one in value] if isinstance(value, list) else value


def differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Say what differs between two dumps, one line a difference."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            yield from differences(before.get(key), after.get(key), f"{path}/{key}")
    elif isinstance(before, list) and isinstance(after, list):
        yield from (f"{path}: no more {one}" for one in before if one not in after)
        yield from (f"{path}: now {one}" for one in after if one not in before)
        if len(before) != len(after):
            yield f"{path}: {len(before)} before, {len(after)} after"
    elif before != after:
        yield f"{path}: {before} before, {after} after"


def _steady(routes: list[str]) -> list[str]:
    # Whether a bridge has a carrier, and with it some routes of the kernel's own, depends on whether it ever had a port.
    return [route.replace(" linkdown", "") for route in routes if not route.startswith("multicast ff00::/8 dev h")]


def _by_name(text: str) -> dict[str, Any]:
    # Flags are compared without the carrier, as the state is: a bridge and its ports find it out a moment later.
    return {
        link["ifname"]: {"flags": sorted({*link["flags"]} - {"LOWER_UP", "NO-CARRIER"}), **_settled(link)}
        for link in json.loads(text)
        if link
    }
