"""What somebody gave a running machine through its own interface that it does not have: exports of its disks, networks, filters of frames.

QEMU tells of its networks by words for people alone. They are the same since version 4, and a line that means nothing here says nothing.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from herocloud.kits.jsons import Json
from herocloud.providers.qemu import command_line
from herocloud.providers.qemu.qmp import Question, Refusal, Talk
from herocloud.providers.vmm import device_names
from herocloud.providers.vmm.answer_shapes import BadAnswer, ListOf, require

QUESTIONS = (Question("query-block-exports"), Question("human-monitor-command", {"command-line": "info network"}))
_EXPORTS = ListOf({"id": str, "type": str, "node-name": str})
_LONGEST = 256 * 1024
_CLIENT = re.compile(r"( \\ )?(?P<name>[^:\s]+): index=\d+,type=(?P<type>[\w-]+)")
_FILTER = re.compile(r"  - (?P<name>[^:\s]+): type=(?P<type>[\w-]+)")
_CARD = "nic"
_MOST_SHOWN = 3


class Additions(NamedTuple):
    """What a machine has."""

    exports: Sequence[tuple[str, str]] = ()
    """Name and words of each."""
    networks: Sequence[tuple[str, str]] = ()
    filters: Sequence[tuple[str, str]] = ()

    def beyond(self, cards: Sequence[str], devices: frozenset[str] = frozenset()) -> "Additions":
        """Return what is too much for a machine with these cards; what hangs on a card that is there goes with the card."""
        own = {command_line.netdev_of(device) for device in {*map(device_names.of_nic, cards), *devices}}
        return self._replace(networks=[one for one in self.networks if one[0] not in own])

    @property
    def words(self) -> str:
        """Say what there is; nothing where that is nothing."""
        words = [word for kind in self for _, word in kind]
        more = f" and {len(words) - _MOST_SHOWN} more" if len(words) > _MOST_SHOWN else ""
        return ", ".join(words[:_MOST_SHOWN]) + more


def read(answers: Sequence[Json]) -> Additions:
    """Make sense of the answers to the questions; what makes none says nothing."""
    exports, told = answers
    try:
        require(exports or [], _EXPORTS, "query-block-exports", frozenset({"id", "type"}))
    except BadAnswer:
        exports = []
    lines = told.splitlines() if isinstance(told, str) and len(told) <= _LONGEST else []
    clients = [found.groupdict() for line in lines if (found := _CLIENT.match(line))]
    filters = [found.groupdict() for line in lines if (found := _FILTER.match(line))]
    return Additions(
        [(one["id"], f"{one.get('node-name') or one['id']} exported by {one['type']}") for one in exports or []],
        sorted({(one["name"], f"network {one['name']} ({one['type']})") for one in clients if one["type"] != _CARD}),
        [(one["name"], f"filter {one['name']} ({one['type']})") for one in filters],
    )


def take_away(talk: Talk, extra: Additions) -> None:
    """Take away what is too much; nobody is listened to then who wants a disk."""
    for name, _ in extra.exports:
        _try(talk, "block-export-del", id=name, mode="hard")
    _try(talk, "nbd-server-stop")
    for name, _ in extra.filters:
        _try(talk, "object-del", id=name)
    for name, _ in extra.networks:
        _try(talk, "netdev_del", id=name)


def _try(talk: Talk, command: str, /, **arguments: Json) -> None:
    try:
        talk.ask(command, **arguments)
    except Refusal:
        return
