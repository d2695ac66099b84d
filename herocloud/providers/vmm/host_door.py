"""Keeps VMMs away from what listens on the host itself, where they have users of their own and rules can be loaded.

One of these lives as long as its driver, so for many VMs the rules are loaded once.
"""

import threading
from pathlib import Path

from herocloud.model.errors import Permanent
from herocloud.providers.vmm import cages, loopback, orders, users
from herocloud.providers.vmm.users import Range


class HostDoor:
    """Closed to the VMs of a data folder as they start, and open again when the last of them is gone."""

    def __init__(self, data: Path, wanted: Range | None) -> None:
        """Watch over the VMs of a data folder; `wanted` are the users that the host file has set aside for VMs."""
        self._data, self._wanted = data, wanted
        self._closing = threading.Lock()
        self._open_because: str | None = None
        """Unknown until it is closed to the first of them."""
        self._has_swept = False

    def close(self, sid: str) -> None:
        """Close it to a VM that starts, or that runs."""
        # It has its user before the host is closed, because the last user who goes opens the host again.
        cages.choose_user(self._data, sid, self._wanted)
        # Several start at once, and one of them closes it for all: each would load and read the same rules, one after the other.
        with self._closing:
            self._sweep()
            if self._open_because is None:
                self._open_because = loopback.close(self._wanted)

    def close_again(self, sid: str, address: str) -> None:
        """Close it to a VM that runs, after somebody has opened it."""
        self._open_because = None
        self.close(sid)
        if self._open_because:
            raise Permanent(f"what listens on this host stays open to `{address}`: {self._open_because}")

    def open_again(self) -> None:
        """Open it when the VM that is gone was the last one."""
        with self._closing:
            self._sweep()
        loopback.open_again(self._data, self._wanted)
        self._open_because = None

    def _sweep(self) -> None:
        """Remove once an hour what the runtime folder says of VMs whose data folders were removed by hand."""
        if self._has_swept:
            return
        self._has_swept = True
        if not users.has_forgotten_lately():
            users.forget_gone()
            orders.forget_gone()
