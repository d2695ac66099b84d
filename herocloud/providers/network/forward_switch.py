"""The switch that lets this host forward packets, and what it was before.

The old values are kept in a chain of our own table that is hooked in nowhere, one rule's comment each. They live exactly as long as
what they describe: both are gone after a reboot. A file would outlive it, and a later destroy would put back values of another boot.
Turning the switch writes other values as well (the kernel resets forwarding of every interface, and accept_redirects); they are kept too.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import faults
from herocloud.model.errors import Permanent
from herocloud.providers.firewall.rule_expressions import RETURN, Chain, Rules
from herocloud.providers.network.links import EFFECT

KEPT = "before"
"""The chain that keeps what was there."""
_ROOT = Path("/proc/sys")
_SWITCH = "net/ipv4/ip_forward"
_FOLDER = "net/ipv4/conf"
_OF_BRIDGE = ("forwarding", "route_localnet")
_ANSWERS, _ANSWERING = "arp_ignore", ("0", "1", "2")
_RESET = ("all/accept_redirects", "default/forwarding")


def is_on() -> bool:
    """Return whether this host forwards IPv4."""
    return _read(_SWITCH) != "0"


def to_keep(rules: Rules) -> Chain | None:
    """Return the chain that keeps the values that turning the switch will change; nothing when they are kept, or it is on already."""
    if KEPT in rules or is_on():
        return None
    return Chain(KEPT, {}, tuple((f"{name}={value}", [RETURN]) for name, value in _values()))


def turn_on() -> None:
    """Let this host forward."""
    if not is_on():
        _write(_SWITCH, "1")


def turn_back(rules: Rules) -> None:
    """Put back what was kept; nothing was when the host forwarded before us."""
    for rule in rules.get(KEPT, ()):
        name, _, value = rule.comment.partition("=")
        # An interface may have gone since.
        if (_ROOT / name).exists():
            _write(name, value)


class Serving(NamedTuple):
    """What a bridge lets through."""

    forwarding: bool
    loopback: bool
    """Answers to 127.0.0.1, which published ports need."""
    answers: bool = True
    """Whether the host says where it is when a guest asks (ARP): without that its gateway is out of reach."""


def serving(name: str) -> Serving:
    """Return what a bridge lets through now."""
    forwarding, loopback = (_read(f"{_FOLDER}/{name}/{field}") != "0" for field in _OF_BRIDGE)
    return Serving(forwarding, loopback, _read(f"{_FOLDER}/{name}/{_ANSWERS}") in _ANSWERING)


def serve(name: str, wanted: Serving) -> None:
    """Let a bridge forward, and let answers to 127.0.0.1 come in through it when ports are published."""
    found = serving(name)
    for field, now, value in zip(_OF_BRIDGE, found[:2], wanted[:2], strict=True):
        if now is not value:
            _write(f"{_FOLDER}/{name}/{field}", str(int(value)))
    if not found.answers:
        _write(f"{_FOLDER}/{name}/{_ANSWERS}", _ANSWERING[0])


def _values() -> Iterator[tuple[str, str]]:
    # The switch comes first: writing it resets the others.
    yield _SWITCH, _read(_SWITCH)
    for name in _RESET:
        yield f"{_FOLDER}/{name}", _read(f"{_FOLDER}/{name}")
    for folder in sorted((_ROOT / _FOLDER).iterdir()):
        path = f"{_FOLDER}/{folder.name}/forwarding"
        # Interfaces of others come and go meanwhile.
        with contextlib.suppress(FileNotFoundError):
            if folder.name not in ("all", "default") and (value := _read(path)) != "0":
                yield path, value


def _read(name: str) -> str:
    return (_ROOT / name).read_text().strip()


def _write(name: str, value: str) -> None:
    faults.reached(EFFECT)
    try:
        (_ROOT / name).write_text(f"{value}\n")
    except OSError as error:
        setting = name.replace("/", ".")
        raise Permanent(f"`{setting}` cannot be set to {value} ({error.strerror}); networks need it, and root to set it") from error
