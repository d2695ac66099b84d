"""Which VM a hypervisor works on, and where."""

from pathlib import Path
from typing import NamedTuple

from herocloud.providers.ownership import Owner
from herocloud.providers.vmm.users import Range


class Place(NamedTuple):
    """One VM in a data folder."""

    data: Path
    sid: str
    owner: Owner
    users: Range | None = None
    """The users that the host file has set aside for VMs."""
