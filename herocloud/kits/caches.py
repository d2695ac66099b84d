"""Where results may be kept that can be made again at any time: apart from all data, so that a look at the world leaves no trace there."""

import os
from collections.abc import Mapping
from pathlib import Path


def cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder for caches: `HEROCLOUD_CACHE_DIR`, the system's for root, else the user's."""
    given = os.environ if environment is None else environment
    if given.get("HEROCLOUD_CACHE_DIR"):
        return Path(given["HEROCLOUD_CACHE_DIR"])
    if given.get("XDG_CACHE_HOME"):
        return Path(given["XDG_CACHE_HOME"]) / "herocloud"
    if os.geteuid() == 0:
        return Path("/var/cache/herocloud")
    return Path(given.get("HOME") or "~").expanduser() / ".cache" / "herocloud"
