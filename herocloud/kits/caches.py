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


def make_folder(path: Path) -> None:
    """Make a folder for caches and those above it that are missing, closed to others whatever the umask."""
    for folder in reversed([one for one in (path, *path.parents) if not one.exists()]):
        folder.mkdir(mode=0o700, exist_ok=True)
