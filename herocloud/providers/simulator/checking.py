"""What the simulated host refuses, as a real one would: what is missing, in use, taken twice, or made smaller.

These checks know nothing of plans: they compare a part as it is with the part as it shall be, so performing and undoing share them.
"""

import sqlite3

from herocloud.kits.jsons import Part
from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.simulator import machines, rows, wiring
from herocloud.providers.simulator.rows import Row

DATA = ("disk", "volume")
"""Parts whose loss loses data."""


def check(world: sqlite3.Connection, row: Row, kind: str, part: str, *, current: Part, target: Part, undoing: bool = False) -> None:
    """Refuse an impossible way from `current` to `target`."""
    if part == "power":
        machines.check_power(row, kind, current, target, undoing=undoing)
        if current == "stopped":
            _check_boot(world, row)
        return
    if target is None:
        _check_unused(world, row, part, current)
    else:
        _check_ties(world, row, part, current, target)
    if part == "machine":
        machines.check_machine(row, kind, current, target)
    elif part in DATA and target is not None:
        if kind == "vm.grow":
            machines.check_live(row, kind)
        _check_data(world, row, part, current, target, undoing=undoing)
    elif current is not None and target is not None:
        _check_fixed(row, part, current, target)


def _check_boot(world: sqlite3.Connection, row: Row) -> None:
    # Things may have gone since the machine was defined; a VMM finds that out when it opens them.
    for part, body in row.parts.items():
        for use in wiring.wire(row.stack, row.address, part, body).uses:
            _check_exists(world, row, use.target)


def _check_ties(world: sqlite3.Connection, row: Row, part: str, current: Part, target: Part) -> None:
    known = wiring.wire(row.stack, row.address, part, current).uses
    for use in wiring.wire(row.stack, row.address, part, target).uses:
        if use in known:
            continue
        _check_exists(world, row, use.target)
        if use.mode == "rw":
            _check_only_writer(world, row, use.target)


def _check_exists(world: sqlite3.Connection, row: Row, claim: str) -> None:
    if rows.owner(world, claim) is None:
        raise Permanent(f"{claim} does not exist, and `{row.address}` needs it")


def _check_only_writer(world: sqlite3.Connection, row: Row, claim: str) -> None:
    for stack, address, _part, mode in rows.users(world, claim):
        if mode == "rw" and (stack, address) != (row.stack, row.address):
            raise Conflict(f'Failed to get "write" lock: {claim} is attached read-write to `{address}`', fact=f"observed:{address}")


def _check_unused(world: sqlite3.Connection, row: Row, part: str, current: Part) -> None:
    for claim in wiring.wire(row.stack, row.address, part, current).claims:
        for _stack, address, _part, _mode in rows.users(world, claim):
            raise Conflict(f"Device or resource busy: {claim} is in use by `{address}`", fact=f"observed:{address}")


def _check_data(world: sqlite3.Connection, row: Row, part: str, current: Part, target: Part, *, undoing: bool) -> None:
    size = int(target["size"])
    if size <= 0:
        raise Permanent(f"`{row.address}`: a {part} of {size} bytes is impossible")
    if current is None:
        # What comes back out of a tombstone is copied from no image.
        if not undoing:
            _check_new_disk(world, row, target)
        return
    if current.get("path") != target.get("path"):
        raise Permanent(f"`{row.address}`: a {part} stays where it is; `{current.get('path')}` cannot become `{target.get('path')}`")
    # Only taking back a growth may shrink: nothing has been written behind the old end yet.
    if size < int(current["size"]) and not undoing:
        raise Permanent(f"`{row.address}`: shrinking a {part} from {current['size']} to {size} bytes would destroy data")


def check_image(world: sqlite3.Connection, row: Row, image: str | None) -> None:
    """Refuse to make anything from an image that is not there; nothing is made from no image."""
    if image:
        _check_exists(world, row, f"image {row.stack}/{image}")


def _check_new_disk(world: sqlite3.Connection, row: Row, target: Part) -> None:
    image = target.get("image")
    check_image(world, row, image)
    if image and int(target["size"]) < wiring.IMAGE_SIZE:
        raise Permanent(f"`{row.address}`: the image is {wiring.IMAGE_SIZE} bytes and does not fit on a disk of {target['size']}")


_FIXED = {"network": ("bridge",), "nic": ("tap",), "volume": ("path",)}


def _check_fixed(row: Row, part: str, current: Part, target: Part) -> None:
    for field in _FIXED.get(part.partition(".")[0], ()):
        if current.get(field) != target.get(field):
            raise Permanent(f"`{row.address}`: the {field} `{current.get(field)}` cannot be renamed to `{target.get(field)}`")
