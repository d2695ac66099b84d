"""VMs that go on from memory, and which of them have: from the moment on in which a guest goes on, its disks are newer than that memory.

The mark says so before the guest is let go on. A restoring that is repeated after a crash would otherwise read the memory once more beside
disks that its guest has written to since, and destroy their file systems.
"""

from pathlib import Path

from herocloud.providers.seam import Work
from herocloud.providers.vmm import marks
from herocloud.providers.vmm.marks import Mark

_FIELD = "went_on"
ENDED_SINCE = "its guest went on from the snapshot and ended since, so it boots from its disks"


def has_gone_on(mark: Mark, work: Work) -> bool:
    """Return whether the guest went on in the restoring that this step is of."""
    token = _token(work)
    return token is not None and mark.launched.get(_FIELD) == token


def note(data: Path, sid: str, work: Work) -> None:
    """Write down that the guest goes on now."""
    mark, token = marks.read(data, sid), _token(work)
    if mark is not None and token is not None and not has_gone_on(mark, work):
        marks.write(data, sid, mark._replace(launched={**mark.launched, _FIELD: token}))


def _token(work: Work) -> str | None:
    """Return what tells one restoring from another; plans of an earlier herocloud have nothing."""
    token = (work.step.origin or {}).get("token")
    return None if token is None else str(token)
