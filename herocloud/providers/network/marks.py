"""Our mark on everything that is made here, and the names that follow from others.

The mark is the alias of an interface: `herocloud:<lineage>:<stack>:<address>:<part>`. Behind it, after a space, an interface tells what it
was made for: a tap its MAC, address and network, a bridge how it treats its ports. Without that a flushed ruleset would hide what a running
guest believes to be, and a plan could not tell a missing rule, which is loaded again in place, from a changed address, which costs a
reboot; and a tap made on such a host would not know that its network keeps guests apart. One that is still being made says so at the end.
"""

import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from herocloud.providers.seam import Work

WORD = "herocloud"
LONGEST_NAME = 15
"""IFNAMSIZ less the final zero."""
_LONGEST_ALIAS = 255
"""IFALIASZ less the final zero."""
_NONE = "-"
_LONGEST_COMMENT = 127
"""What nftables keeps of a comment."""

OVERLAY = "mycelium"
"""The network of NICs that hang on the overlay and on no network of their stack."""
OVERLAY_MARK = "herocloud-overlay"
"""Begins the alias of a bridge of the overlay; lineage and stack follow where it is a stack's alone."""
BRIDGES = "hb-*"
"""All bridges of ours, as nftables matches interface names."""
OURS = re.compile(r"^h(b-[0-9a-z]+|[ci]-v[0-9a-z]+-\d+)$")
"""The names of bridges, taps and devices for uploads."""
OF_VM = re.compile(r"^h[ci]-(?P<sid>v[0-9a-z]+)-(?P<slot>\d+)$")
"""The names of taps and of what belongs to them, which hold the sid of their VM."""


class Mark(NamedTuple):
    """Who owns an interface."""

    lineage: str
    stack: str
    address: str
    part: str


UNFINISHED = "(unfinished)"
"""Ends the alias of an interface until everything about it is made. No network can have this name."""
_REST = "+"
"""Begins the comment that goes on where another one was cut."""
OF_STATE = "@"
"""Stands between the name of a stack and the state that it belongs to, where that is not the own one."""


class Port(NamedTuple):
    """How a bridge treats the port of a guest."""

    isolated: bool = False
    hairpin: bool = False


class Purpose(NamedTuple):
    """What a tap was made for."""

    mac: str
    address: str | None
    network: str | None
    """Nothing when three long names left no room for this one; then the bridge tells."""


def owner_of(work: "Work") -> Mark:
    """Return the mark of what a step is about; `state gc --foreign` works on what another state has made."""
    stack, _, lineage = work.stack.partition(OF_STATE)
    return Mark(lineage or work.lineage, stack, work.step.address, work.step.part)


def is_told(name: str, mac: str, alias: str) -> bool:
    """Return whether the alias of an interface tells whose it is, or its name that it is none of ours."""
    if OURS.match(name) is None or alias.startswith(OVERLAY_MARK) or is_unfinished(alias):
        return True
    mark = read_mark(alias)
    return mark is not None and mac == own_mac(mark.lineage, name)


def write_mark(mark: Mark, purpose: Purpose | Port | None = None, *, unfinished: bool = False) -> str:
    """Return the alias of an interface."""
    end = [UNFINISHED] if unfinished else []
    words = [":".join((WORD, *mark))]
    if isinstance(purpose, Purpose):
        words += [purpose.mac, purpose.address or _NONE, purpose.network or _NONE]
        if len(" ".join([*words, *end])) > _LONGEST_ALIAS:
            words[-1] = _NONE
    elif purpose is not None:
        words += [name for name, wanted in purpose._asdict().items() if wanted]
    return " ".join([*words, *end])


def read_mark(alias: str) -> Mark | None:
    """Return the mark in an alias; nothing when it is somebody else's."""
    fields = alias.partition(" ")[0].split(":", 4)
    if len(fields) != 5 or fields[0] != WORD:
        return None
    return Mark(*fields[1:])


def read_purpose(alias: str) -> Purpose | None:
    """Return what a tap was made for; nothing when its alias does not tell."""
    fields = alias.removesuffix(f" {UNFINISHED}").split(" ")
    if len(fields) != 4:
        return None
    return Purpose(fields[1], *(None if field == _NONE else field for field in fields[2:]))


def read_port(alias: str) -> Port:
    """Return how the bridge with this alias treats its ports; one of somebody else treats them as bridges do."""
    words = alias.split(" ")[1:]
    return Port("isolated" in words, "hairpin" in words)


def is_unfinished(alias: str) -> bool:
    """Return whether the interface with this alias is still being made, or its making was cut off."""
    return alias.endswith(f" {UNFINISHED}")


def comment_of(mark: Mark) -> str:
    """Return the mark as a comment of nftables, which cuts long ones."""
    return write_mark(mark)[:_LONGEST_COMMENT]


def rest_of_comment(mark: Mark) -> str:
    """Return a comment with what another one had no room for; empty when that is the whole mark."""
    rest = write_mark(mark)[_LONGEST_COMMENT:]
    return f"{_REST}{rest}" if rest else ""


def read_comment(comment: str, rest: str = "") -> Mark | None:
    """Return the mark in a comment and in the one that goes on with it; nothing when its end is not there."""
    if len(comment) < _LONGEST_COMMENT:
        return read_mark(comment)
    return read_mark(comment + rest.removeprefix(_REST)) if rest.startswith(_REST) else None


def name_of_owner(mark: Mark) -> str:
    """Say for a message whose something is."""
    return f"`{mark.address}` of stack `{mark.stack}`"


def upload_device(tap: str) -> str:
    """Name the device through which the traffic of a tap's guest is slowed down: `hc-v1-0` has `hi-v1-0`."""
    return f"hi-{tap.removeprefix('hc-')}"[:LONGEST_NAME]


def tap_of(upload: str) -> str:
    """Name the tap whose guest such a device slows down."""
    return f"hc-{upload.removeprefix('hi-')}"


def own_mac(lineage: str, name: str) -> str:
    """Give an interface of the host its MAC.

    A bridge that takes the lowest MAC of its ports changes it as taps come and go, under guests that remember it. And where an alias got
    lost, the MAC tells that the interface is ours.
    """
    # VMs have MACs that begin with 02; 06 is as locally administered, and never one of theirs.
    return "06:" + hashlib.blake2b(f"{lineage}/{name}".encode(), digest_size=5).digest().hex(":")


def link_local(mac: str) -> str:
    """Return the address in fe80::/64 that follows from a MAC."""
    import socket

    raw = bytes.fromhex(mac.replace(":", ""))
    return socket.inet_ntop(socket.AF_INET6, bytes.fromhex("fe80000000000000") + bytes([raw[0] ^ 2]) + raw[1:3] + b"\xff\xfe" + raw[3:])
