"""Releases of Cloud Hypervisor: which ones are known, what they can, and which have known holes."""

import re
from typing import NamedTuple

OLDEST, NEWEST = 50, 54
"""Major releases that this provider was written against; others are used, with a word about it."""

TAKES_PLACES = 52
"""The first release in which a device can be given its place on the bus."""
TELLS_SIGNALS = 52
"""The first release that says something else of a guest that switched itself off than of a signal."""
REMOVES_SOCKETS = 53
"""The first release that starts where a dead process has left its socket."""
NAMES_SYSTEM = 53
"""The first release whose `platform` takes a `system_uuid`, and warns about a `uuid`."""

LARGEST_REQUEST = 51_200
"""Bytes of a request that every release takes; from 54 on they take 4 MiB."""


class Release(NamedTuple):
    """A release by its number; one that cannot be read is 0."""

    major: int
    minor: int = 0
    patch: int = 0

    def __str__(self) -> str:
        """Write it as the project does."""
        return f"v{self.major}.{self.minor}" + (f".{self.patch}" if self.patch else "")


class Hole(NamedTuple):
    """A known vulnerability."""

    name: str
    fixed: int
    """The major release that no longer has it."""


HOLES = (Hole("CVE-2026-27211", 51), Hole("CVE-2026-45782", 52))


def parse(text: str) -> Release:
    """Read a release: `53.0.0` from the API, `cloud-hypervisor v53.0` from the command line, `v53.0-dirty` from a build of its own."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return Release(*(int(number or 0) for number in found.groups())) if found else Release(0)


def doubts(release: Release) -> list[str]:
    """Say what speaks against a release, each with the way out."""
    found = [
        f"{release} has {hole.name}, which v{hole.fixed}.0 fixes; install a newer Cloud Hypervisor"
        for hole in HOLES
        if release.major < hole.fixed
    ]
    if not release.major:
        return [f"its release is unknown; v{OLDEST} to v{NEWEST} are known to work"]
    if release.major < OLDEST:
        found.append(f"{release} is older than v{OLDEST}.0, the oldest release that is supported; install a newer Cloud Hypervisor")
    elif release.major > NEWEST:
        found.append(f"{release} is newer than any release that this herocloud was tested with (v{OLDEST} to v{NEWEST})")
    return found


def is_supported(release: Release) -> bool:
    """Return whether VMs may be started with a release: what is newer than known is, what is older is not."""
    return release.major >= OLDEST
