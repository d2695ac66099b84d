"""The effects of the overlay: perform, probe and undo for a stack's place on it and for its peers.

Every verb leads from whatever is there to the part that is wanted, so making, changing, completing what a crash left and undoing are one
function. What a stack asked is written down first and forgotten last; the world follows. Changes are made one at a time on the whole
host: the bridge, the daemon and its peers are shared by all stacks.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from herocloud.kits import durable_files, faults
from herocloud.kits.jsons import Part
from herocloud.model.errors import Conflict, Permanent, Temporary
from herocloud.providers.mycelium import api, host_daemon, host_node, memberships, overlay_parts, own_daemon, peer_endpoints, sites
from herocloud.providers.mycelium.host_daemon import HostDaemon
from herocloud.providers.mycelium.memberships import ADDED, FOUND, Membership
from herocloud.providers.seam import Found, Probe, Work

KINDS = ("overlay.enable", "overlay.disable", "peer.add", "peer.remove")
FAULT_POINTS = tuple(f"mycelium.{way}{kind}.{point}" for way in ("", "undo.") for kind in KINDS for point in ("before", "half", "after"))
"""Every point at which `HEROCLOUD_FAULTS` can strike this provider."""

_LOCK = Path("/run/herocloud/overlay.lock")
_LOCK_PATIENCE = 30.0
"""Seconds to wait for another command; a change takes one or two."""


class MyceliumDriver:
    """Performs the steps of the role `overlay`; it may be used by many threads."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        """Work for the stacks of a data folder, in the network namespace of this process."""
        self._folder = folder
        self._environment = environment or {}

    def perform(self, work: Work) -> Part:
        """Bring the part to `after`; what is there already is left alone."""
        self._go(work, work.step.after, f"mycelium.{work.step.kind}")
        return work.step.after

    def undo(self, work: Work) -> None:
        """Bring the part back to `before`, from `after` or from half-way."""
        self._go(work, work.step.before, f"mycelium.undo.{work.step.kind}")

    def probe(self, work: Work) -> Probe:
        """Compare the world with the part before and after."""
        with _wrapped():
            known = memberships.read(self._folder, work.stack)
            if known is not None and known.lineage != work.lineage:
                return Probe(Found.CONTRADICTED, f"the overlay of stack `{work.stack}` belongs to another state, {known.lineage}")
            current = self._current(work, known)
            if current == work.step.after:
                return Probe(Found.DONE)
            if current == work.step.before:
                return Probe(Found.NOT_STARTED)
            return Probe(Found.PARTIAL, f"the {work.step.part} of `{work.step.address}` is half-way: {overlay_parts.describe(current)}")

    def close(self) -> None:
        """Nothing is kept open."""

    def _current(self, work: Work, known: Membership | None) -> Part:
        if work.step.part == "peer":
            return overlay_parts.peer_part(self._folder, known, _endpoint(work))
        if known is not None:
            return overlay_parts.node_part(self._folder, known)
        wanted = work.step.after or work.step.before
        site = sites.site_of(work.stack, work.lineage, wanted)
        return None if site is None or site.is_gone(self._folder) else {**wanted, "membership": "missing"}

    def _go(self, work: Work, target: Part, point: str) -> None:
        with _wrapped(), _alone(work.cancelled):
            faults.reached(f"{point}.before")
            if work.step.part == "peer":
                self._bring_peer(work, target, f"{point}.half")
            else:
                self._bring_node(work, target, f"{point}.half")
            faults.reached(f"{point}.after")

    def _bring_node(self, work: Work, target: Part, half: str) -> None:
        known = self._known(work)
        if target is None:
            self._leave(work, known, half)
            return
        memberships.write(self._folder, Membership(work.stack, work.lineage, target, known.peers if known else {}))
        faults.reached(half)
        if known is not None:
            sites.leave_other(self._folder, work.stack, work.lineage, known.part, target)
        sites.bring(self._folder, work.stack, work.lineage, target, self._environment)
        host_node.settle(self._folder, self._environment)
        self._apply_peers(work.stack)

    def _leave(self, work: Work, known: Membership | None, half: str) -> None:
        part = (known.part if known else None) or work.step.before or work.step.after
        site = sites.site_of(work.stack, work.lineage, part)
        if site is not None:
            site.remove(self._folder)
        faults.reached(half)
        # The daemon goes before the note, or is given what the others want: a crash in between finds the note and does it again.
        host_node.settle(self._folder, self._environment, leaving=work.stack)
        memberships.remove(self._folder, work.stack)

    def _apply_peers(self, stack: str) -> None:
        """Bring back peers that the daemon forgot when it was started again."""
        known = memberships.read(self._folder, stack)
        node = host_daemon.find(self._folder)
        if known is None or node is None or not known.peers:
            return
        with api.Client(node.api) as client:
            there = {peer.endpoint for peer in client.peers()}
            for endpoint in known.peers:
                if peer_endpoints.normalize(endpoint) not in there:
                    client.add_peer(endpoint)

    def _bring_peer(self, work: Work, target: Part, half: str) -> None:
        known = self._known(work)
        endpoint = _endpoint(work)
        if known is None:
            if target is None:
                return
            raise Permanent(f"`mycelium.node` of stack `{work.stack}` is not there, and `{endpoint}` is a peer of it")
        node = host_daemon.find(self._folder)
        if node is None and target is not None:
            raise Temporary("no overlay daemon runs that could have a peer; plan again", 1.0)
        if target is None:
            self._drop_peer(known, endpoint, node, half)
            return
        assert node is not None  # noqa: S101  (raised above)
        with api.Client(node.api) as client:
            if endpoint not in known.peers:
                there = {peer.endpoint for peer in client.peers()}
                origin = FOUND if peer_endpoints.normalize(endpoint) in there and not self._is_others(known, endpoint) else ADDED
                memberships.write(self._folder, known._replace(peers={**known.peers, endpoint: origin}))
            own_daemon.write_peers(self._folder)
            faults.reached(half)
            client.add_peer(endpoint)

    def _drop_peer(self, known: Membership, endpoint: str, node: HostDaemon | None, half: str) -> None:
        ours = known.peers.get(endpoint) == ADDED and not self._is_others(known, endpoint)
        if ours and node is not None:
            with api.Client(node.api) as client:
                client.remove_peer(endpoint)
        faults.reached(half)
        memberships.write(self._folder, known._replace(peers={one: origin for one, origin in known.peers.items() if one != endpoint}))
        own_daemon.write_peers(self._folder)

    def _is_others(self, known: Membership, endpoint: str) -> bool:
        """Return whether another stack wants this peer too."""
        wanted = peer_endpoints.normalize(endpoint)
        others = (membership for membership in memberships.all_of(self._folder) if membership.stack != known.stack)
        return any(peer_endpoints.normalize(peer) == wanted for other in others for peer in other.peers)

    def _known(self, work: Work) -> Membership | None:
        known = memberships.read(self._folder, work.stack)
        if known is not None and known.lineage != work.lineage:
            raise Conflict(f"the overlay of stack `{work.stack}` belongs to another state, {known.lineage}")
        return known


def _endpoint(work: Work) -> str:
    return str((work.step.after or work.step.before)["endpoint"])


@contextmanager
def _alone(cancelled: Callable[[], bool]) -> Iterator[None]:
    """Be the only one on this host who changes the overlay."""
    _LOCK.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    lock = durable_files.wait_for_lock(_LOCK, _LOCK_PATIENCE, cancelled)
    if lock is None:
        why = "cancelled while waiting for" if cancelled() else f"waited {_LOCK_PATIENCE:g} s for"
        raise Temporary(f"{why} another command that changes the overlay of this host, and holds `{_LOCK}`", delay=1.0)
    try:
        yield
    finally:
        os.close(lock)


@contextmanager
def _wrapped() -> Iterator[None]:
    """Turn what the system says into our own words; nobody above knows its errors."""
    try:
        yield
    except OSError as error:
        raise Permanent(f"the overlay of this host cannot be changed: {error}") from error
