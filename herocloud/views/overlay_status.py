"""The overlay of a host: `mycelium status` and `mycelium key create`."""

import datetime as dt
from collections.abc import Sequence

from herocloud.kits.jsons import Json
from herocloud.views import tables, values
from herocloud.views.tables import Column, Listing


def status_document(state: Json) -> dict[str, Json]:
    """Return the overlay as JSON: the host's daemon, then those of networks, then VMs."""
    return {
        "format_version": tables.FORMAT_VERSION,
        **_daemon(state.report),
        "networks": [{"stack": stack, **_daemon(report)} for stack, report in state.networks.items()],
        "vms": [vm._asdict() for vm in state.vms],
    }


def _daemon(report: Json) -> dict[str, Json]:
    return {
        "running": report.running,
        "managed": report.managed,
        "version": report.version,
        "address": report.address,
        "subnet": report.subnet,
        "public_key": report.public_key,
        "started": report.started,
        "carries": report.carries,
        "trouble": report.trouble,
        "peers": [peer._asdict() for peer in report.peers],
        "routes": [route._asdict() for route in report.routes],
    }


def status_text(state: Json, *, color: bool = False) -> str:
    """Return the overlay for a reader: each daemon with a table for peers and one for routes, then the VMs."""
    blocks = _blocks("daemon", state.report, color=color)
    for stack, report in state.networks.items():
        blocks += _blocks(f"network {stack}", report, color=color)
    vms = tuple(vm._asdict() for vm in state.vms)
    blocks.append(tables.render(Listing("vms", _VMS, vms, "No VM has an address on the overlay.", ""), color=color))
    reports = (state.report, *state.networks.values())
    late = [f"`{peer.endpoint}` ({peer.state})" for report in reports for peer in report.peers if peer.declared and peer.state != "alive"]
    if late:
        blocks.append(f"warning: not connected to {', '.join(late)}; the daemon keeps trying.")
    blocks += [
        _NO_ROUTE.format(report.subnet, _MENDED if report.managed else _BY_HAND)
        for report in reports
        if report.running and not report.carries
    ]
    return "\n\n".join(block.rstrip("\n") for block in blocks)


def _blocks(name: str, report: Json, *, color: bool) -> list[str]:
    blocks = [tables.pairs(_daemon_rows(name, report), color=color)]
    peers = tuple({**peer._asdict(), "declared": "declared" if peer.declared else peer.kind} for peer in report.peers)
    blocks.append(tables.render(Listing("peers", _PEERS, peers, "No peers.", ""), color=color))
    if report.running:
        routes = tuple(
            {**route._asdict(), "metric": "unusable" if route.metric == _INFINITE else str(route.metric)} for route in report.routes
        )
        blocks.append(tables.render(Listing("routes", _ROUTES, routes, "No routes to other nodes.", ""), color=color))
    return blocks


def keys_document(made: Sequence[Json]) -> dict[str, Json]:
    """Return keys that were made as JSON."""
    return {"format_version": tables.FORMAT_VERSION, "keys": [_key(key) for key in made]}


def keys_text(made: Sequence[Json]) -> str:
    """Say what follows from each key that was made."""
    return "\n".join(f"Made the key `{key.name}` ({key.path}): address {key.address}, subnet {key.subnet}." for key in made)


def _key(key: Json) -> dict[str, Json]:
    return {"name": key.name, "public_key": key.public, "address": key.address, "subnet": key.subnet, "path": str(key.path)}


def _daemon_rows(name: str, report: Json) -> list[tuple[str, str]]:
    if not report.running:
        return [(name, report.trouble or "not running"), ("program", report.version or "not on PATH")]
    rows = [
        (name, "run by herocloud" if report.managed else "adopted"),
        ("program", report.version or "not on PATH"),
        ("subnet", report.subnet),
        ("address", report.address or "-"),
        ("public key", report.public_key),
    ]
    if report.started:
        started = dt.datetime.fromtimestamp(report.started, tz=dt.UTC)
        rows.append(("started", f"{started:%Y-%m-%d %H:%M:%S} UTC"))
    return rows


_INFINITE = 0xFFFF
_NO_ROUTE = "warning: the daemon of {} carries no VM traffic: there is no route to 400::/7; {}."
_MENDED, _BY_HAND = "`herocloud apply` puts it back", "start it again with a TUN, or let `herocloud apply` put the route back"


def _bytes(value: Json) -> str:
    return "-" if value is None else values.show_bytes(value)


_PEERS = (
    Column("endpoint", "PEER"),
    Column("declared", "KIND"),
    Column("state", "STATE"),
    Column("sent", "SENT", _bytes),
    Column("received", "RECEIVED", _bytes),
)
_ROUTES = (Column("subnet", "SUBNET"), Column("metric", "METRIC"), Column("next_hop", "NEXT HOP"))
_VMS = (
    Column("stack", "STACK"),
    Column("vm", "VM"),
    Column("address", "ADDRESS"),
    Column("sent", "SENT", _bytes),
    Column("received", "RECEIVED", _bytes),
)
