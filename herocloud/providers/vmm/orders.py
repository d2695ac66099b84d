"""The orders by which a keeper starts its process, as they are read by others than `jail`.

They lie in the runtime folder, which nobody else can write to and no reboot of the host leaves: they live as long as the process can.
"""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from herocloud.kits import jsons, plain_files
from herocloud.kits.jsons import Json
from herocloud.providers.vmm import control_groups, folders

LAUNCHED = "launched"
"""What the mark of a VM says of its process, for when the mark is lost; nothing is started by it."""
_MOST_BYTES = 4 * 1024**2


def read(record: Path) -> list[tuple[str, str]]:
    """Return the orders for the process of a record, each a name and a value; none where they are lost."""
    try:
        fields = os.fsdecode(plain_files.read(folders.orders_path(record), _MOST_BYTES)).split("\0")
    except OSError:
        return []
    return list(zip(fields[::2], fields[1::2], strict=False))


def recall(record: Path) -> Mapping[str, Json]:
    """Return what the mark of a VM said of its process; nothing where that is lost."""
    said = next((value for name, value in read(record) if name == LAUNCHED), "{}")
    try:
        known = jsons.loads(said)
    except ValueError:
        return {}
    return known if isinstance(known, dict) else {}


def groups(record: Path) -> list[Path]:
    """Return the files by which the process of a record joins its control groups; none where a unit of systemd holds it."""
    named = (Path(value) for name, value in read(record) if name == "group")
    return [joined for joined in named if control_groups.is_group(joined)]


def forget(record: Path) -> None:
    """Remove what a process that is dead was started with, and its control groups."""
    for joined in groups(record):
        control_groups.remove(joined)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        folders.orders_path(record).unlink()
