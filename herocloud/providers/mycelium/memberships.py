"""What each stack asked of the overlay: one file per stack in the data folder, written before anything is made and removed last.

It is this provider's mark. Nothing in the kernel or in the daemon can carry a stack's name: peers are memory of the daemon without an
owner, and the bridge is shared by all stacks. After a reboot the files are what tells what is missing.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import durable_files, jsons
from herocloud.kits.jsons import Part
from herocloud.model.overlays import GUEST

FOLDER = "mycelium/stacks"
ADDED, FOUND = "added", "found"
"""Whether a peer was ours to add, or known to the daemon before: the latter stays when the stack goes."""


class Membership(NamedTuple):
    """One stack on the overlay."""

    stack: str
    lineage: str
    part: Part
    """The part `overlay` as it was asked for."""
    peers: dict[str, str]
    """How each endpoint came about: `added` or `found`."""


def path_of(data: Path, stack: str) -> Path:
    """Return where the membership of a stack is kept."""
    return data / FOLDER / f"{stack}.json"


def read(data: Path, stack: str) -> Membership | None:
    """Return the membership of a stack; nothing when it has none."""
    try:
        said = jsons.loads(path_of(data, stack).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Membership(stack, said["lineage"], said["part"], dict(said["peers"]))


def write(data: Path, membership: Membership) -> None:
    """Keep the membership of a stack."""
    path = path_of(data, membership.stack)
    if read(data, membership.stack) == membership:
        return
    made = not path.parent.exists()
    content = {"lineage": membership.lineage, "part": membership.part, "peers": membership.peers}
    durable_files.write_durably(path, jsons.dumps(content).encode())
    if made:
        durable_files.sync_folder(path.parent.parent)


def remove(data: Path, stack: str) -> None:
    """Forget the membership of a stack."""
    path = path_of(data, stack)
    path.unlink(missing_ok=True)
    if path.parent.exists():
        durable_files.sync_folder(path.parent)
        with contextlib.suppress(OSError):
            path.parent.rmdir()


def all_of(data: Path) -> Iterator[Membership]:
    """Return the memberships in a data folder."""
    folder = data / FOLDER
    if not folder.is_dir():
        return
    for path in sorted(folder.glob("*.json")):
        membership = read(data, path.stem)
        if membership is not None:
            yield membership


def needs_node(known: Membership) -> bool:
    """Return whether a stack needs the node of this host; those in mode `guest` have theirs inside the VMs."""
    return bool(known.part["mode"] != GUEST)


def wanted_peers(data: Path, leaving: str | None = None) -> list[str]:
    """Return every endpoint that some stack wants, but for one that is `leaving`, each once."""
    return sorted({endpoint for membership in all_of(data) if membership.stack != leaving for endpoint in membership.peers})


def wanted_interfaces(data: Path, leaving: str | None = None) -> list[str]:
    """Return every interface on which some stack wants peers to be discovered, but for one that is `leaving`."""
    wanting = (membership for membership in all_of(data) if membership.stack != leaving and needs_node(membership))
    return sorted({name for membership in wanting for name in membership.part["interfaces"]})


def wanted_openings(data: Path, leaving: str | None = None) -> list[str]:
    """Return every port of the host that some stack opens to the overlay, but for one that is `leaving`."""
    wanting = (membership for membership in all_of(data) if membership.stack != leaving and needs_node(membership))
    return sorted({opening for membership in wanting for opening in membership.part.get("host_open", ())})
