"""The one module here that runs `ip`, has rules loaded, and reads and writes sysctls: in this network namespace or in one of ours.

Programs and not netlink: what is made for an overlay is a dozen calls once, and half of it lies in another namespace, which a library
would have to enter with a thread of its own.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from herocloud.kits import faults, jsons, subprocesses
from herocloud.kits.jsons import Json
from herocloud.kits.subprocesses import CommandError
from herocloud.model.errors import HerocloudError, Permanent, Temporary
from herocloud.providers.firewall import nft, own_table
from herocloud.providers.firewall.own_table import Seen
from herocloud.providers.firewall.table_hooks import Hook

CABLES = "hv-"
"""Begins the name of each cable between the host and the namespace of a network."""
EFFECT = "mycelium.effect"
"""The fault point before every single change of the world."""
_TIMEOUT = 30.0
_SYSTEM = "/usr/sbin:/sbin"
_ROOT = "/proc/sys"
_NAMESPACES = "/run/netns"
_GONE = ("Cannot find device", "does not exist", "No such device", "No such file", "No such process", "Cannot assign requested address")
_THERE = ("File exists", "already assigned")


def change(*words: str, namespace: str | None = None, fine: Sequence[str] = ()) -> None:
    """Change something with `ip`. An error with one of the words in `fine` means that it is so already."""
    faults.reached(EFFECT)
    try:
        _run([*_enter("ip", namespace), *words])
    except CommandError as error:
        if not any(text in error.stderr for text in fine):
            raise _explain(error) from error


def add(*words: str, namespace: str | None = None) -> None:
    """Add something that may be there already."""
    change(*words, namespace=namespace, fine=_THERE)


def remove(*words: str, namespace: str | None = None) -> None:
    """Remove something that may be gone already."""
    change(*words, namespace=namespace, fine=_GONE)


def show(*words: str, namespace: str | None = None) -> list[dict[str, Any]]:
    """Ask `ip`; nothing when what is asked for is not there."""
    try:
        text = _run([*_enter("ip", namespace), "-j", *words])
    except CommandError as error:
        if any(known in error.stderr for known in _GONE):
            return []
        raise _explain(error) from error
    # With nothing to show some versions print nothing, and others a list of empty objects.
    return [row for row in jsons.loads(text or "[]") if row]


def link(name: str, namespace: str | None = None) -> dict[str, Any] | None:
    """Return an interface; nothing when there is none of this name."""
    return next(iter(show("-d", "link", "show", "dev", name, namespace=namespace)), None)


def has_route(subnet: str) -> bool:
    """Return whether this network namespace has a route to exactly this IPv6 subnet, other than by the cables of our networks."""
    from ipaddress import IPv6Network

    wanted = IPv6Network(subnet)
    start = [wanted.network_address.packed.hex(), f"{wanted.prefixlen:02x}"]
    try:
        lines = Path("/proc/thread-self/net/ipv6_route").read_text().splitlines()
    except FileNotFoundError:
        return False
    return any(words[:2] == start and not words[-1].startswith(CABLES) for words in map(str.split, lines))


def has_namespace(name: str) -> bool:
    """Return whether there is a network namespace of this name, and not only the file that one was mounted on."""
    path = Path(f"{_NAMESPACES}/{name}")
    return path.exists() and path.stat().st_dev != path.parent.stat().st_dev


def lives_in(pid: int, name: str) -> bool:
    """Return whether a process lives in this network namespace."""
    try:
        own, wanted = Path(f"/proc/{pid}/ns/net").stat(), Path(f"{_NAMESPACES}/{name}").stat()
    except OSError:
        return False
    return (own.st_dev, own.st_ino) == (wanted.st_dev, wanted.st_ino)


def drop_stale_namespace(name: str) -> None:
    """Remove the file that a namespace was mounted on, where that is all that is left: a crash between the two steps of making one."""
    if not has_namespace(name):
        Path(f"{_NAMESPACES}/{name}").unlink(missing_ok=True)


def load_rules(commands: Sequence[Json]) -> None:
    """Carry out these commands of nftables, all or none."""
    faults.reached(EFFECT)
    try:
        nft.change(commands)
    except CommandError as error:
        raise _explain(error) from error


def look_at_table(family: str, table: str, is_ours: Callable[[str, Hook | None], bool]) -> Seen | None:
    """Look at a table of nftables in which chains are ours that `is_ours` knows; nothing when it is not there."""
    try:
        return own_table.look(family, table, is_ours)
    except CommandError as error:
        raise _explain(error) from error


def read_setting(name: str, namespace: str | None = None) -> str | None:
    """Read a sysctl (`net/ipv6/conf/all/forwarding`); nothing when there is none of this name."""
    if namespace is not None:
        try:
            return _run([*_inside(namespace), "cat", f"{_ROOT}/{name}"]).strip()
        except CommandError:
            return None
    try:
        return (Path(_ROOT) / name).read_text().strip()
    except OSError:
        return None


def read_settings(names: Sequence[str], namespace: str) -> list[str]:
    """Read several sysctls of a namespace at once; each has to be there."""
    try:
        return _run([*_inside(namespace), "cat", *(f"{_ROOT}/{name}" for name in names)]).split()
    except CommandError as error:
        raise _explain(error) from error


def write_setting(name: str, value: str, namespace: str | None = None) -> None:
    """Write a sysctl unless it has this value."""
    if read_setting(name, namespace) == value:
        return
    faults.reached(EFFECT)
    if namespace is not None:
        try:
            _run([*_inside(namespace), "tee", f"{_ROOT}/{name}"], value)
        except CommandError as error:
            raise _explain(error) from error
        return
    try:
        (Path(_ROOT) / name).write_text(value)
    except OSError as error:
        setting = name.replace("/", ".")
        raise Permanent(f"`{setting}` cannot be set to {value} ({error.strerror}); the overlay needs it, and root to set it") from error


def _enter(program: str, namespace: str | None) -> list[str]:
    return [program, "-n", namespace] if namespace is not None else [program]


def _inside(namespace: str | None) -> list[str]:
    return ["ip", "netns", "exec", namespace] if namespace is not None else []


def _run(words: Sequence[str], stdin: str = "") -> str:
    # Messages are recognized by their words, and administrators' programs are not on everybody's path.
    environment = {**os.environ, "LC_ALL": "C", "PATH": f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM}"}
    return subprocesses.run(words, stdin=stdin, timeout=_TIMEOUT, environment=environment).stdout


def _explain(error: CommandError) -> HerocloudError:
    if error.returncode is None:
        return Permanent(f"{error}; the overlay needs the programs `ip` (iproute2) and `nft` (nftables)")
    if "Operation not permitted" in error.stderr or "Permission denied" in error.stderr:
        return Permanent("the overlay needs CAP_NET_ADMIN, which this process does not have; run it as root")
    if "Device or resource busy" in error.stderr or "Resource temporarily unavailable" in error.stderr:
        return Temporary(f"the kernel is busy: {error}")
    return Permanent(f"the kernel refused a change for the overlay: {error}")
