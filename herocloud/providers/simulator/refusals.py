"""What the simulated host refuses, as a real one would: what is missing, in use, taken twice, or made smaller.

The checks know nothing of plans. They compare a part as it is with the part that is wanted, so `perform` and `undo` share them. The power
states of a VM (absent, stopped, running, paused) and what each allows stand here as well.
"""

import sqlite3

from herocloud.kits.jsons import Part
from herocloud.model import guest_agreement, powers
from herocloud.model.errors import Conflict, Permanent
from herocloud.model.steps import READY
from herocloud.providers.simulator import claims, copied_data, rows
from herocloud.providers.simulator.rows import Row

_AT_BOOT = ("max_vcpus", "boot_memory", "hotplug", "hugepages", "mergeable", "thp", "affinity", "topology", "root", "payload")
"""What a guest learns once, when it boots; a VMM has no call to change it afterwards."""

_LIVE = ("vm.resize", "vm.attach", "vm.detach")
"""What talks to a running VMM, and has nobody to talk to otherwise."""

_WAYS = {
    ("stopped", "running"): ("vm.boot", "vm.revive"),
    ("running", "paused"): ("vm.pause", "vm.freeze"),
    ("paused", "running"): ("vm.resume", "vm.thaw"),
    ("running", "stopped"): ("vm.stop",),
    ("paused", "stopped"): ("vm.stop",),
    **{(power, "stopped"): ("vm.stop",) for power in (*powers.GIVEN_UP, *powers.HELD)},
    **{(power, "running"): ("vm.resume",) for power in powers.HELD},
}

_REFUSALS = {
    "vm.boot": "cannot be booted",
    "vm.pause": "cannot be paused, it is not running",
    "vm.resume": "cannot be resumed, it is not paused",
    "vm.freeze": "cannot be held, it is not running",
    "vm.thaw": "cannot go on, it is not held",
    "vm.revive": "cannot go on from memory, it is not stopped",
    "vm.stop": "cannot be stopped",
}


def check_power(row: Row, kind: str, current: Part, target: Part, *, undoing: bool) -> None:
    """Refuse a transition that the state machine does not have; taking one back may go every way there is."""
    if "machine" not in row.parts:
        raise Permanent(f"VM does not exist: `{row.address}` has no machine, so there is nothing to do `{kind}` to")
    if undoing:
        return
    if kind == READY:
        raise Permanent(f"`{row.address}` is {current}, so it will not get ready")
    if kind not in _WAYS.get((current, target), ()):
        raise Permanent(f"Invalid state transition: `{row.address}` is {current} and {_REFUSALS.get(kind, f'does not know `{kind}`')}")


def check_machine(row: Row, kind: str, current: Part, target: Part) -> None:
    """Refuse a machine that cannot be, and a change that its state does not allow."""
    power = row.parts.get("power")
    if target is None:
        if power != "stopped":
            raise Conflict(f"VM is {power}: `{row.address}` must be stopped before its machine is deleted")
        return
    _check_sizes(row, target)
    if current is None:
        return
    if kind == "vm.configure" and power != "stopped":
        raise Conflict(f"VM is {power}: `{row.address}` must be stopped before it is configured")
    if kind in _LIVE:
        check_live(row, kind)
    if kind != "vm.configure" and power == "paused" and guest_agreement.is_asked_in(current, target):
        raise Permanent(guest_agreement.refusal(row.address, "take part in this change of its machine"))
    if kind != "vm.configure" and power != "stopped":
        for field in _AT_BOOT:
            if current.get(field) != target.get(field):
                raise Permanent(f"`{row.address}`: `{field}` is fixed at boot; changing it from {current.get(field)} needs a power-cycle")


def check_live(row: Row, kind: str) -> None:
    """Refuse what only a running VMM can do."""
    power = row.parts.get("power", "absent")
    if power not in ("running", "paused"):
        raise Conflict(f"VM is not running: `{row.address}` is {power}, so `{kind}` has nobody to talk to")


def _check_sizes(row: Row, machine: Part) -> None:
    vcpus = int(machine.get("vcpus") or 0)
    most = int(machine.get("max_vcpus") or vcpus)
    if not 1 <= vcpus <= most:
        raise Permanent(f"`{row.address}`: {vcpus} vCPUs are outside 1 to {most}")
    memory = int(machine.get("memory") or 0)
    boot = int(machine.get("boot_memory") or memory)
    top = boot + int(machine.get("hotplug") or 0)
    if memory <= 0 or not boot <= memory <= top:
        raise Permanent(f"`{row.address}`: {memory} bytes of memory are outside {boot} to {top}")
    balloon = int(machine.get("balloon") or 0)
    if not 0 <= balloon < boot:
        raise Permanent(f"`{row.address}`: a balloon of {balloon} bytes is not below the {boot} bytes it boots with")


DATA = ("disk", "volume")
"""Parts whose loss loses data."""
PREPARED = "disk.new"
"""A root disk that waits to take its place; what is on it nobody has used yet."""


def check(world: sqlite3.Connection, row: Row, kind: str, part: str, *, current: Part, target: Part, undoing: bool = False) -> None:
    """Refuse an impossible way from `current` to `target`."""
    if part == "power":
        check_power(row, kind, current, target, undoing=undoing)
        if current == "stopped":
            _check_boot(world, row)
        return
    if copied_data.is_snapshot(part):
        _check_snapshot(row, current, target, undoing=undoing)
        return
    if target is None:
        _check_unused(world, row, part, current)
    else:
        _check_ties(world, row, part, current, target)
    if part == "machine":
        check_machine(row, kind, current, target)
    elif part in (*DATA, PREPARED) and target is not None:
        if kind == "vm.grow":
            check_live(row, kind)
        _check_data(world, row, part, current, target, undoing=undoing)
    elif current is not None and target is not None:
        _check_fixed(row, part, current, target)


def _check_snapshot(row: Row, current: Part, target: Part, *, undoing: bool) -> None:
    if undoing or target is None:
        return
    if current is None:
        copied_data.check_taking(row)
    else:
        copied_data.check_saving(row, target)


def check_replacing(world: sqlite3.Connection, row: Row, part: str, current: Part) -> None:
    """Refuse to put other data under a machine that runs."""
    for claim in claims.wire(row.stack, row.address, part, current).claims:
        for stack, address, _part, mode in rows.users(world, claim):
            power = rows.load(world, stack, address).parts.get("power")
            if mode == "rw" and power not in (None, "stopped"):
                raise Conflict(f"Device or resource busy: {claim} is in use by `{address}`, which is {power}")


def _check_boot(world: sqlite3.Connection, row: Row) -> None:
    # Things may have gone since the machine was defined; a VMM finds that out when it opens them.
    for part, body in row.parts.items():
        for use in claims.wire(row.stack, row.address, part, body).uses:
            _check_exists(world, row, use.target)


def _check_ties(world: sqlite3.Connection, row: Row, part: str, current: Part, target: Part) -> None:
    if part.startswith("nic.") and current and {**current, "network": None} == {**(target or {}), "network": None}:
        # Its network has another name, or will have it again: the card hangs on the same as before.
        return
    known = claims.wire(row.stack, row.address, part, current).uses
    for use in claims.wire(row.stack, row.address, part, target).uses:
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
            raise Conflict(f'Failed to get "write" lock: {claim} is attached read-write to `{address}`')


def _check_unused(world: sqlite3.Connection, row: Row, part: str, current: Part) -> None:
    for claim in claims.wire(row.stack, row.address, part, current).claims:
        for _stack, address, _part, _mode in rows.users(world, claim):
            raise Conflict(f"Device or resource busy: {claim} is in use by `{address}`")


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
    if image and int(target["size"]) < claims.IMAGE_SIZE:
        raise Permanent(f"`{row.address}`: the image is {claims.IMAGE_SIZE} bytes and does not fit on a disk of {target['size']}")


_FIXED = {"network": ("bridge",), "nic": ("tap",), "volume": ("path",)}


def _check_fixed(row: Row, part: str, current: Part, target: Part) -> None:
    for field in _FIXED.get(part.partition(".")[0], ()):
        if current.get(field) != target.get(field):
            raise Permanent(f"`{row.address}`: the {field} `{current.get(field)}` cannot be renamed to `{target.get(field)}`")
