"""Which folder holds the state."""

import os
from collections.abc import Mapping
from pathlib import Path

SYSTEM = Path("/var/lib/herocloud")


def choose_folder(flag: str | Path | None, environment: Mapping[str, str], *, root: bool) -> Path:
    """Return the data folder: the flag, HEROCLOUD_DATA_DIR, or the place that this user's programs keep their state in."""
    named = flag or environment.get("HEROCLOUD_DATA_DIR")
    if named:
        return Path(os.path.expanduser(named))  # noqa: PTH111  (pathlib would raise for an unknown user's home)
    if root:
        return SYSTEM
    state_home = environment.get("XDG_STATE_HOME")
    # The XDG rules say that a relative path there is to be ignored.
    if state_home and os.path.isabs(state_home):  # noqa: PTH117  (a text needs no Path for that)
        return Path(state_home) / "herocloud"
    home = environment.get("HOME") or os.path.expanduser("~")  # noqa: PTH111  (as above)
    return Path(home) / ".local" / "state" / "herocloud"
