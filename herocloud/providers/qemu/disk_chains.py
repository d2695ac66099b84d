"""Bringing back what a guest wrote elsewhere than in its own disks, while it runs and before it is stopped, so that nothing of it is lost.

An overlay that somebody put in front of a disk is written back into it and left out from then on. Where that is not possible the
step fails, says where the data is, and leaves everything as it was.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from herocloud.kits.jsons import Json
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.qemu import block_nodes, command_line, queries
from herocloud.providers.qemu.qmp import Refusal, Talk

_JOB = "herocloud"
_PATIENCE = 30.0
"""Seconds in which a job has to get any further."""
_PAUSE = 0.02


class _Chains(NamedTuple):
    talk: Talk
    stopped: Callable[[], bool]

    def look(self) -> queries.Look:
        return queries.look(self.talk)

    def strays(self) -> list[block_nodes.Stray]:
        seen = self.look()
        return block_nodes.strays(seen.nodes, seen.disks)


def bring_back(talk: Talk, stopped: Callable[[], bool]) -> None:
    """Have a machine read and write its own disks, with all that was written elsewhere."""
    chains = _Chains(talk, stopped)
    seen = chains.look()
    if not block_nodes.flaw(seen.nodes, seen.disks):
        return
    for job in talk.ask("query-block-jobs"):
        _try(talk, "block-job-cancel", device=job["device"], force=True)
    _wait(chains)
    for device in sorted(seen.disks):
        for stray in chains.strays():
            if not stray.node.startswith(block_nodes.ANONYMOUS):
                _commit(chains, device, stray.node)
    _remove(chains)
    if not any(stray.holds for stray in chains.strays()):
        for device in block_nodes.diverted(chains.look().disks):
            top = command_line.top_node_of(device)
            _try(talk, "qom-set", path=f"/machine/peripheral/{device}", property="drive", value=top)
        _remove(chains)
    seen = chains.look()
    if left := block_nodes.flaw(seen.nodes, seen.disks):
        raise Permanent(
            f"its disks are read and written through {left}, which cannot be written back. What its guest has written since may be nowhere "
            "else: copy it out of the guest, then end its process by SIGKILL to go on without it"
        )


def _commit(chains: _Chains, device: str, overlay: str) -> None:
    """Write an overlay back into a disk, and have it left out from then on; nothing if it does not lie on that disk."""
    seen = chains.look()
    if device not in seen.disks or all(node["node-name"] != overlay for node in seen.nodes):
        return
    top, below = str(seen.disks[device].get("node-name")), command_line.node_of(device)
    if overlay == top and top != below:
        below = command_line.top_node_of(device)
    if _try(chains.talk, "block-commit", job_id=_JOB, device=top, top_node=overlay, base_node=below):
        _wait(chains)


def _wait(chains: _Chains) -> None:
    """Wait until no job is left; one of ours is completed once the disk has everything."""
    until, before = time.monotonic() + _PATIENCE, None
    while jobs := chains.talk.ask("query-block-jobs"):
        got = [(job.get("device"), job.get("offset"), job.get("status")) for job in jobs]
        if got != before:
            until, before = time.monotonic() + _PATIENCE, got
        if any(job.get("device") == _JOB and job.get("ready") and job.get("status") == "ready" for job in jobs):
            _try(chains.talk, "block-job-complete", device=_JOB)
        if chains.stopped():
            raise Temporary("interrupted: what was written elsewhere than in its disks is not back in them yet")
        if time.monotonic() > until:
            raise Permanent(f"a job with its disks, `{jobs[0].get('device')}`, does not get any further")
        chains.talk.pause(_PAUSE)


def _remove(chains: _Chains) -> None:
    """Remove nodes that are too much; one that is read or written by anything stays."""
    for stray in chains.strays():
        if not stray.node.startswith(block_nodes.ANONYMOUS):
            _try(chains.talk, "blockdev-del", node_name=stray.node)


def _try(talk: Talk, command: str, /, **arguments: Json) -> bool:
    try:
        talk.ask(command, **arguments)
    except Refusal:
        return False
    return True
