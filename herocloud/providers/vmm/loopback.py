"""Keeping VMMs, and guests on networks in user mode, away from what listens on the host itself.

Such a network is made by the VMM, which connects to wherever its guest wants: to the guest it is the internet, and to the host it is a
program like any other, for which `127.0.0.1` and every other address of the host is open. A guest that got out of its VMM could do the same
on any network, and much that listens there asks nobody who they are. Where each VM has a user of its own, one rule for all of these users
closes that: what they send never reaches the host itself, but for answers on published ports and questions to a name server that runs
here. Addresses beyond the host are not touched. Everywhere else a program beside the VMM does the same for its guest (`connection_guard`).

What nft says of the table once it is loaded is kept in the runtime folder, so that a look sees whatever somebody changes about it.
"""

import contextlib
import functools
import ipaddress
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from herocloud.kits import durable_files, interfaces, plain_files, subprocesses
from herocloud.kits.jsons import Part
from herocloud.kits.subprocesses import CommandError
from herocloud.model import powers
from herocloud.providers.vmm import connection_guard, folders, identity, users
from herocloud.providers.vmm.users import Range

TABLE = "herocloud-vms"
_TIMEOUT = 10.0
_KEPT = "closed"
"""The folder of what nft said of the table, in the runtime folder: a file for each network namespace."""
_HEADER = re.compile(r"# (?P<boot>\S+) (?P<namespace>\d+)\n")
_MOST_BYTES = 1024**2


def close(wanted: Range | None = None) -> str:
    """Close the host itself to the users of VMs; returns why it stays open, which is nothing when it is closed."""
    numbers = users.usable_range(wanted)
    if numbers is None:
        return "VMs run as the user who runs herocloud, and rules for that user would hold for everything else it does"
    if shutil.which("nft") is None:
        return "the program `nft` is missing; install the package nftables"
    with _alone() as kept:
        try:
            _load(numbers)
            if kept is not None:
                _keep(kept)
        except CommandError as error:
            return f"the rule cannot be loaded: {error.stderr.strip().splitlines()[0] if error.stderr.strip() else error}"
    return ""


def open_again(data: Path, wanted: Range | None = None) -> None:
    """Remove the rules once no VM has a user of its own any more, neither in this data folder nor elsewhere on the host."""
    if os.geteuid() != 0 or shutil.which("nft") is None or users.any_taken(data, wanted):
        return
    with _alone() as kept:
        if users.any_taken(data, wanted):
            return
        if kept is not None:
            kept.unlink(missing_ok=True)
        try:
            subprocesses.run(["nft", "delete", "table", "inet", TABLE], timeout=_TIMEOUT)
        except CommandError:
            # It was never loaded, or is gone already.
            return


def was_opened() -> bool:
    """Return whether somebody took away or changed what `close` loaded; who may not see rules cannot tell."""
    kept = _place() if os.geteuid() == 0 else None
    known = None if kept is None else _kept_listing(kept)
    try:
        return known is not None and known != _listing()
    except CommandError:
        return True


class LoopbackLook:
    """One look at whether the host is closed to VMs that run and have a user of their own."""

    def __init__(self, data: Path) -> None:
        """Look for the VMs of a data folder; nothing is asked before one has a user."""
        self._data = data

    def with_flaw(self, sid: str, machine: Part) -> Part:
        """Return a machine that runs with what is wrong about the rules; nothing is added while they are as they were loaded."""
        if machine is None or not users.of(self._data, sid).is_own or not self._is_open or not self._is_near(sid):
            return machine
        return {**machine, powers.HOST: powers.HOST_OPEN}

    @functools.cached_property
    def _is_open(self) -> bool:
        """Return whether rules that can be loaded here are not there, or not as they were loaded."""
        kept = _place()
        return kept is not None and (not _why_no_rules() if _kept_listing(kept) is None else was_opened())

    def _is_near(self, sid: str) -> bool:
        """Return whether a VM is in this network namespace: of the rules of another one nothing can be said here."""
        known = identity.running(self._data, sid)
        try:
            return known is not None and Path(f"/proc/{known.pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink()
        except OSError:
            return False


def _listing() -> str:
    return subprocesses.run(["nft", "list", "table", "inet", TABLE], timeout=_TIMEOUT, environment={**os.environ, "LC_ALL": "C"}).stdout


def _place() -> Path | None:
    """Return where the listing lies, since rules are those of one network namespace; nothing where these have no numbers."""
    number = interfaces.namespace_number()
    return None if number is None else folders.base() / _KEPT / str(number)


@contextmanager
def _alone() -> Iterator[Path | None]:
    """Hold the lock of what is kept, so that two who load rules at once keep what both have loaded."""
    with folders.alone_in(_KEPT, "loads rules for VMs") as folder:
        kept = _place()
        _forget_others(folder, kept)
        yield kept


def _forget_others(folder: Path, kept: Path | None) -> None:
    """Remove what was kept of network namespaces that no process is in any more, or in another boot of the host.

    No VM runs there, and one that starts there later has the rules loaded again.
    """
    others = [entry for entry in folder.iterdir() if entry.name.isdecimal() and entry != kept]
    found = {entry: match for entry in others if (match := _HEADER.match(_text_of(entry)))}
    if not found:
        return
    boot, alive = identity.boot_id(), _namespaces_in_use()
    for entry, match in found.items():
        if match["boot"] != boot or (alive is not None and int(match["namespace"]) not in alive):
            entry.unlink(missing_ok=True)


def _namespaces_in_use() -> set[int] | None:
    """Return the namespaces that processes are in; nothing where this process may not see that of everybody who could be a VM."""
    found = set()
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal():
            continue
        try:
            found.add(os.stat(f"{entry.path}/ns/net").st_ino)  # noqa: PTH116  (a path is made for every process otherwise)
        except PermissionError:
            with contextlib.suppress(OSError):
                if entry.stat().st_uid != 0:
                    return None
        except OSError:
            # It ended meanwhile.
            continue
    return found


def _keep(kept: Path) -> None:
    """Keep what nft says of the table now, with the boot of the host and the namespace that it is of."""
    namespace = Path("/proc/self/ns/net").stat().st_ino
    durable_files.write_durably(kept, f"# {identity.boot_id()} {namespace}\n{_listing()}".encode())


def _kept_listing(kept: Path) -> str | None:
    """Return what was kept; nothing of another boot, which numbered its namespaces from the start."""
    text = _text_of(kept)
    match = _HEADER.match(text)
    if match is None:
        # An earlier version kept nothing else.
        return text or None
    return text[match.end() :] if match["boot"] == identity.boot_id() else None


def _text_of(entry: Path) -> str:
    try:
        return plain_files.read(entry, _MOST_BYTES).decode(errors="replace")
    except OSError:
        return ""


def closed_by() -> str:
    """Say, without changing anything, what would keep guests away from the host; nothing where nothing would."""
    if not _why_no_rules():
        return "rules of nftables"
    return "a program beside each VMM" if connection_guard.is_possible() else ""


def why_open() -> str:
    """Say why the host would stay open to guests; nothing when it would be closed."""
    return "" if closed_by() else f"{_why_no_rules()}, and {NO_GUARD}"


NO_GUARD = "this kernel asks no program before a system call (Linux 5.5)"


@functools.cache
def _why_no_rules() -> str:
    if users.usable_range() is None:
        return "VMs run as the user who runs herocloud"
    if shutil.which("nft") is None:
        return "the program `nft` is missing; install the package nftables"
    try:
        _load(Range(), "--check")
    except CommandError:
        return "this process may not load rules (CAP_NET_ADMIN), or the kernel lacks them"
    return ""


def _load(numbers: Range, *options: str) -> None:
    """Have nft load the rules; a kernel that cannot ask its routes what an address is goes by what it looks like."""
    try:
        subprocesses.run(["nft", *options, "-f", "-"], stdin=rules(numbers), timeout=_TIMEOUT)
    except CommandError:
        subprocesses.run(["nft", *options, "-f", "-"], stdin=rules(numbers, asks_routes=False), timeout=_TIMEOUT)


_OF_HOST = ("fib daddr type { local, broadcast, multicast }",)
_LOOKS_LIKE_HOST = ('oifname "lo"', "ip daddr { 224.0.0.0/4, 255.255.255.255 }", "ip6 daddr ff00::/8")


def rules(numbers: Range, *, asks_routes: bool = True) -> str:
    """Return what nft loads: at once, and the same when it is there already. Users of other data folders stay in the set."""
    last = numbers.first + numbers.size - 1
    lines = [
        f"add table inet {TABLE}",
        f"add set inet {TABLE} users {{ type uid; flags interval; auto-merge; }}",
        f"add element inet {TABLE} users {{ {numbers.first}-{last} }}",
        f"add chain inet {TABLE} output {{ type filter hook output priority filter; policy accept; }}",
        f"add chain inet {TABLE} host",
        f"flush chain inet {TABLE} output",
        f"flush chain inet {TABLE} host",
        # What is sent to everybody, or to a group, reaches the host as well, although it leaves through another interface.
        *(f"add rule inet {TABLE} output meta skuid @users {what} goto host" for what in (_OF_HOST if asks_routes else _LOOKS_LIKE_HOST)),
        f"add rule inet {TABLE} host ct state established,related accept",
    ]
    for address in _name_servers():
        family = "ip6" if address.version == 6 else "ip"
        lines.append(f"add rule inet {TABLE} host {family} daddr {address} meta l4proto {{ tcp, udp }} th dport 53 accept")
    lines += [f"add rule inet {TABLE} host meta l4proto tcp reject with tcp reset", f"add rule inet {TABLE} host reject"]
    return "\n".join(lines) + "\n"


def _name_servers() -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Yield the name servers of the host that may be on the host itself."""
    try:
        lines = Path("/etc/resolv.conf").read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            try:
                yield ipaddress.ip_address(words[1].partition("%")[0])
            except ValueError:
                continue
