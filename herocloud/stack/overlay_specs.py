"""The overlay of a stack: the spec of its node, and of each VM on it."""

import os
from collections.abc import Iterable

from herocloud.kits.jsons import Json, Spec
from herocloud.model import overlay_seeds
from herocloud.model.overlays import AUTO, GUEST, HOST, HOST_KEY
from herocloud.stack.layers import Fields


def is_inside(data: Fields) -> bool:
    """Return whether the daemons run inside the VMs."""
    return _mode(data) == GUEST


def node_spec(data: Fields, folder: str) -> Spec:
    """Return the spec of the node that a stack's VMs live behind; the plan adds its subnet."""
    overlay = data.get("mycelium") or {}
    mode = _mode(data)
    spec: dict[str, Json] = {
        "addresses": overlay.get("addresses", True),
        "mode": mode,
        "daemon": overlay.get("daemon", AUTO),
        "key": _key(overlay.get("key"), HOST_KEY["name"] if mode == HOST else str(data["stack"]), folder),
        "interfaces": sorted(set(overlay.get("interfaces") or ())),
    }
    opened = sorted(set(_openings(overlay.get("host_open") or ())))
    if opened:
        spec["host_open"] = opened
    return spec


def use_spec(data: Fields, use: Fields) -> Spec:
    """Return what a VM asks of the overlay."""
    spec: dict[str, Json] = {"seed": None if use.get("seed") is None else overlay_seeds.parse(use["seed"])}
    opened = list(dict.fromkeys(_openings(use.get("open") or ())))
    if opened:
        spec["open"] = opened
    if is_inside(data):
        spec["mode"] = GUEST
        spec["peers"] = list((data.get("mycelium") or {}).get("peers") or ())
    return spec


def _mode(data: Fields) -> str:
    return str((data.get("mycelium") or {}).get("mode") or HOST)


def _key(key: Fields | None, name: str, folder: str) -> Spec:
    if key and key.get("file"):
        return {"file": os.path.normpath(os.path.join(folder, os.path.expanduser(key["file"])))}  # noqa: PTH111, PTH118 - texts in, texts out.
    return {"env": key["env"]} if key and key.get("env") else {"name": name}


def _openings(listed: Iterable[str]) -> Iterable[str]:
    return (port if "/" in port else f"{port}/tcp" for port in listed)
