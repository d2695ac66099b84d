"""The ports of the host that lead to cards in user mode: those asked for are noted beside the process, and compared with those open.

QEMU tells of them by a table for people, as its library for such networks prints it; a line that means nothing here says nothing.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import durable_files, jsons, plain_files
from herocloud.kits.jsons import Json, Part
from herocloud.model import powers
from herocloud.providers.qemu import command_line
from herocloud.providers.qemu.command_line import Nic, netdev
from herocloud.providers.qemu.qmp import Question, Refusal, Talk
from herocloud.providers.vmm import device_names, folders, identity

QUESTION = Question("human-monitor-command", {"command-line": "info usernet"})
_FILE = f"{identity.RECORD}.ports"
"""It goes with what else is known of the process."""
_NETWORK = re.compile(r"Hub -?\d+ \((?P<name>[^)]+)\):")
_OPENED = re.compile(r"\s+(TCP|UDP)\[HOST_FORWARD\]\s+\d+\s+(\S+)\s+(\d+)\s")
_ASKED = re.compile(r"(tcp|udp):([^:]*):(\d+)-")
_EVERYWHERE = ("", "*", "0.0.0.0")  # noqa: S104  (these are compared, and nothing listens)
_LONGEST, _MOST_BYTES = 1024**2, 1024**2


class Port(NamedTuple):
    """A port of the host that leads to a card."""

    network: str
    protocol: str
    address: str
    """Nothing where it is open on all addresses."""
    number: int

    @property
    def word(self) -> str:
        """Say what it is."""
        return f"port {self.number} ({self.protocol}) open to {self.network}"


def read(told: Json) -> frozenset[Port]:
    """Return the ports that are open, from the answer to `QUESTION`."""
    found, network = set(), ""
    for line in told.splitlines() if isinstance(told, str) and len(told) <= _LONGEST else ():
        if head := _NETWORK.match(line):
            network = head["name"]
        elif opened := _OPENED.match(line):
            found.add(_port(network, opened[1].lower(), opened[2], opened[3]))
    return frozenset(found)


def asked_for(nics: Iterable[Nic]) -> frozenset[Port]:
    """Return the ports that cards should have."""
    return frozenset(
        _port(str(netdev(nic)["id"]), *found.groups())
        for nic in nics
        for one in (nic.user or {}).get("hostfwd") or ()
        if (found := _ASKED.match(one["str"]))
    )


def note(data: Path, sid: str, nics: Sequence[Nic]) -> None:
    """Note the ports that the cards of a machine should have; one without cards in user mode costs nothing."""
    path = folders.machine_folder(data, sid) / _FILE
    if all(nic.user is None for nic in nics):
        path.unlink(missing_ok=True)
        return
    content = jsons.dumps(sorted(map(list, asked_for(nics)))).encode()
    durable_files.write_durably(path, content, draft=path.with_name(f".{_FILE}.new"))


def with_flaw(data: Path, sid: str, machine: Part, opened: frozenset[Port]) -> Part:
    """Return a machine that runs with the ports that are open and should not be; nothing where nobody noted which should."""
    cards = map(device_names.of_nic, machine["nics"]) if machine is not None else ()
    own = set(map(command_line.netdev_of, cards))
    extra = {port for port in opened if port.network in own}
    if not extra:
        return machine
    try:
        wanted = {Port(*one) for one in jsons.loads(plain_files.read(folders.machine_folder(data, sid) / _FILE, _MOST_BYTES))}
    except (OSError, ValueError, TypeError, plain_files.NotPlain):
        return machine
    words = [port.word for port in sorted(extra - wanted)]
    return {**machine, powers.ADDED: ", ".join([*filter(None, [machine.get(powers.ADDED)]), *words])} if words else machine


def close(talk: Talk, opened: frozenset[Port], nics: Iterable[Nic]) -> None:
    """Close the ports that these cards should not have."""
    cards = list(nics)
    own = {str(netdev(nic)["id"]) for nic in cards}
    for port in sorted(opened - asked_for(cards)):
        if port.network in own:
            try:
                talk.ask(
                    "human-monitor-command", command_line=f"hostfwd_remove {port.network} {port.protocol}:{port.address}:{port.number}"
                )
            except Refusal:
                continue


def _port(network: str, protocol: str, address: str, number: str) -> Port:
    return Port(network, protocol, "" if address in _EVERYWHERE else address, int(number))
