"""What is kept of networks in user mode: one file for each network, and one for each card on one.

Nothing of such a network exists outside of the processes of its VMs, so the file is the network: it holds the network's part
(`<data>/user-networks/<stack>/<network>.json`). A card has `taps/<tap>.json` beside it,
under the name of the tap that it would have on a bridge. A VM that was renamed is named by the file in its own folder, which all providers
share.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import durable_files, jsons
from herocloud.kits.jsons import Json, Part
from herocloud.model.errors import Permanent
from herocloud.providers import ownership, recollections
from herocloud.providers.recollections import Memory

FOLDER = "user-networks"
_TAPS = "taps"
_MARK = "herocloud"
"""The key that tells whose a note is; no part has one of this name."""


class Mark(NamedTuple):
    """Whose something is."""

    lineage: str
    stack: str
    address: str
    part: str


class Note(NamedTuple):
    """One network or card."""

    path: Path
    mark: Mark
    part: Json


def network_path(data: Path, stack: str, name: str) -> Path:
    """Return where a network is noted."""
    return data / FOLDER / stack / f"{name}.json"


def tap_path(data: Path, stack: str, tap: str) -> Path:
    """Return where a card is noted."""
    return data / FOLDER / stack / _TAPS / f"{tap}.json"


def read(data: Path, path: Path, memory: Memory = recollections.NOTHING) -> Note | None:
    """Read a note; nothing when there is none."""
    try:
        said = dict(jsons.loads(path.read_bytes()))
        mark = Mark(**said.pop(_MARK))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise Permanent(f"the note `{path}` of a network is damaged; remove it, and the next apply writes it again") from error
    return Note(path, mark._replace(address=_address_now(data, mark, said, memory)), said)


def write(path: Path, mark: Mark, part: Part) -> None:
    """Note a network or a card durably."""
    durable_files.write_durably(path, jsons.dumps({**part, _MARK: mark._asdict()}).encode(), draft=path.with_name(f".{path.name}.new"))


def find(data: Path, stack: str, address: str) -> Note | None:
    """Return the note of a network by its address; while it is renamed, the file has the new name and the note the old one."""
    networks = (note for note in scan(data, [stack]) if note.mark.part == "network")
    return next((note for note in networks if note.mark.address == address), None)


def move(path: Path, target: Path) -> None:
    """Give a note another place in the same folder, durably."""
    path.with_name(f".{path.name}.new").unlink(missing_ok=True)
    path.replace(target)
    durable_files.sync_folder(target.parent)


def remove(path: Path) -> None:
    """Forget a network or a card, and the folders that hold nothing more."""
    path.with_name(f".{path.name}.new").unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    if not path.parent.is_dir():
        return
    durable_files.sync_folder(path.parent)
    folder = path.parent
    while folder.name != FOLDER:
        try:
            folder.rmdir()
        except OSError:
            # Others of this stack are noted there.
            return
        folder = folder.parent


def scan(data: Path, stacks: Iterable[str] | None = None, memory: Memory = recollections.NOTHING) -> Iterator[Note]:
    """Yield every network and card of these stacks, or of all, in a steady order."""
    wanted = None if stacks is None else set(stacks)
    folder = data / FOLDER
    if not folder.is_dir():
        return
    for stack in sorted(folder.iterdir()):
        if wanted is not None and stack.name not in wanted:
            continue
        for path in (*sorted(stack.glob("[!.]*.json")), *sorted(stack.glob(f"{_TAPS}/[!.]*.json"))):
            note = read(data, path, memory)
            if note is not None:
                yield note


def sid_of(tap: str) -> str:
    """Return the VM that a tap belongs to: `hc-v1-0` is the first of `v1`."""
    return tap.split("-")[1]


def _address_now(data: Path, mark: Mark, part: Json, memory: Memory) -> str:
    if "tap" not in part:
        return mark.address
    owner, _ = ownership.find_owner(data / "vms" / sid_of(part["tap"]), memory)
    return owner.address if owner is not None and (owner.lineage, owner.stack) == (mark.lineage, mark.stack) else mark.address
