"""Whose node the host's is: which stacks need it, and the one key that it runs with.

A stack in mode `host` brings the key; networks peer with that node and want the key `host`, which makes it theirs where nobody else names
one. Two keys would take turns: each apply would restart the node with its own and cut the others off. So a second key is refused here,
whatever the plan said, and only a stack whose own key was replaced moves the node.
"""

from collections.abc import Mapping
from pathlib import Path

from herocloud.model.errors import Conflict, Refused
from herocloud.model.overlays import ADOPT, HOST_KEY, MANAGE, NETWORK, NodeUse, can_share
from herocloud.providers.mycelium import arithmetic, daemon_program, host_daemon, key_references, memberships, node_settings, own_daemon
from herocloud.providers.mycelium.arithmetic import PublicKey
from herocloud.providers.mycelium.host_daemon import HostDaemon
from herocloud.providers.mycelium.memberships import Membership

Key = Mapping[str, str]


def ensure(data: Path, known: Membership, environment: Mapping[str, str]) -> HostDaemon:
    """Have the host's node run for a stack, and return it."""
    part = known.part
    node = host_daemon.find(data)
    networked = part["mode"] == NETWORK
    if networked and node is not None and not node.managed and part["daemon"] != MANAGE:
        # A network peers with whatever node the host has.
        return node
    key: Key = _key_for_networks(data, part["daemon"]) if networked else part["key"]
    subnet = None if networked else part["subnet"]
    public = arithmetic.public_key(key_references.read(data, key, environment, subnet))
    if node is None or node.managed:
        _refuse_second(data, known, key, public, environment)
    path = key_references.place(data, node_settings.folder_of(data), key, environment, subnet)
    return host_daemon.ensure(data, part["daemon"], path, public)


def settle(data: Path, environment: Mapping[str, str], leaving: str | None = None) -> None:
    """End our node when no stack needs it but one that is `leaving`; have it discover peers only where the others want it."""
    needing = [membership for membership in memberships.all_of(data) if membership.stack != leaving and memberships.needs_node(membership)]
    if not needing:
        own_daemon.stop(data)
        return
    own_daemon.write_peers(data, leaving)
    ours, settings = own_daemon.running(data), node_settings.read(data)
    if settings is not None:
        own_daemon.guard(data, settings, leaving)
    if ours is None or own_daemon.is_as_wanted(data, leaving):
        return
    key, subnet = next(
        ((membership.part["key"], membership.part["subnet"]) for membership in needing if membership.part["mode"] != NETWORK),
        (HOST_KEY, None),
    )
    try:
        public = arithmetic.public_key(key_references.read(data, key, environment, subnet))
    except Refused:
        # A stack can leave whatever became of the keys of others; the node is then seen to run with other settings.
        return
    if settings is not None and not daemon_program.has_other_key(settings.api, public):
        path = key_references.place(data, node_settings.folder_of(data), key, environment, subnet)
        own_daemon.manage(data, ours, path, public, leaving)


def _key_for_networks(data: Path, mode: str) -> Key:
    """Return the key of the node that a network peers with; one that only adopts takes that of whichever stack runs it."""
    if mode != ADOPT:
        return HOST_KEY
    owners = (
        membership.part
        for membership in memberships.all_of(data)
        if memberships.needs_node(membership) and membership.part["mode"] != NETWORK
    )
    return next((part["key"] for part in owners), HOST_KEY)


def _refuse_second(data: Path, known: Membership, key: Key, public: PublicKey, environment: Mapping[str, str]) -> None:
    subnet = arithmetic.node_subnet(public)
    networked = known.part["mode"] == NETWORK
    host_subnet = subnet if networked or key == HOST_KEY else _subnet_of(data, HOST_KEY, environment)
    mine = NodeUse(known.part["mode"], key, subnet)
    for other in memberships.all_of(data):
        part = other.part
        if other.stack == known.stack or not memberships.needs_node(other):
            continue
        theirs = None if part["mode"] == NETWORK else part["subnet"] or _subnet_of(data, part["key"], environment)
        if not can_share(mine, NodeUse(part["mode"], part["key"], theirs), host_subnet):
            raise Conflict(
                f"the overlay node of this host would be started again with another key: stack `{other.stack}` relies on "
                f"{theirs or 'the key `host`'}, and `mycelium.node` of stack `{known.stack}` wants {subnet}; plan again"
            )


def _subnet_of(data: Path, key: Key, environment: Mapping[str, str]) -> str | None:
    try:
        return arithmetic.node_subnet(arithmetic.public_key(key_references.read(data, key, environment)))
    except Refused:
        return None
