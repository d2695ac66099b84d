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
_ANSWERS, _ANSWERING, _SILENT = "arp_ignore", ("0", "1", "2"), "8"
_ASKING = {"mcast_solicit": (1, 2**31, "3"), "retrans_time_ms": (1, 60_000, "1000")}
"""How often and after how many milliseconds the host asks where a guest is: least, most, and what it is usually."""
_NEIGHBORS = "net/ipv4/neigh"
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
    asks: bool = True
    """Whether the host asks where a guest is: without that it finds none that has not asked first."""


def serving(name: str) -> Serving:
    """Return what a bridge lets through now."""
    forwarding, loopback = (_read(f"{_FOLDER}/{name}/{field}") != "0" for field in _OF_BRIDGE)
    # The higher of the two counts; those between `_ANSWERING` and `_SILENT` do no harm where somebody needs them for other interfaces.
    answers = _read(f"{_FOLDER}/{name}/{_ANSWERS}") in _ANSWERING and _read(f"{_FOLDER}/all/{_ANSWERS}") != _SILENT
    return Serving(forwarding, loopback, answers, not any(_odd_of_asking(name)))


def serve(name: str, wanted: Serving) -> None:
    """Let a bridge forward, and let answers to 127.0.0.1 come in through it when ports are published."""
    found = serving(name)
    for field, now, value in zip(_OF_BRIDGE, found[:2], wanted[:2], strict=True):
        if now is not value:
            _write(f"{_FOLDER}/{name}/{field}", str(int(value)))
    if not found.answers:
        for folder in (name, "all"):
            if _read(f"{_FOLDER}/{folder}/{_ANSWERS}") == _SILENT or folder == name:
                _write(f"{_FOLDER}/{folder}/{_ANSWERS}", _ANSWERING[0])
    for field, usual in list(_odd_of_asking(name)):
        _write(f"{_NEIGHBORS}/{name}/{field}", usual)


def _odd_of_asking(name: str) -> Iterator[tuple[str, str]]:
    """Yield the settings with which the host finds no guest, and what they are usually."""
    for field, (least, most, usual) in _ASKING.items():
        if not least <= int(_read(f"{_NEIGHBORS}/{name}/{field}")) <= most:
            yield field, usual


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
