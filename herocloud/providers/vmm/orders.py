"""The orders by which a keeper starts its process, as they are read by others than `jail`.

They lie in the runtime folder, which nobody else can write to and no reboot of the host leaves: they live as long as the process can.
"""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from herocloud.kits import durable_files, jsons, plain_files
from herocloud.kits.jsons import Json
from herocloud.providers.vmm import control_groups, folders, host_processes, identity, standing_orders

LAUNCHED = "launched"
"""What the mark of a VM says of its process, for when the mark is lost; nothing is started by it."""
_MOST_BYTES = 4 * 1024**2


def read(record: Path) -> list[tuple[str, str]]:
    """Return the orders for the process of a record, each a name and a value; none where they are lost."""
    return _lines_of(folders.orders_path(record))


def _lines_of(path: Path) -> list[tuple[str, str]]:
    try:
        fields = os.fsdecode(plain_files.read(path, _MOST_BYTES)).split("\0")
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


def write_record_again(data: Path, sid: str) -> None:
    """Write which process is a VM's once more where its record was lost while it runs."""
    process, record = identity.running(data, sid), identity.record_path(data, sid)
    if process is None or not identity.is_unrecorded(data, sid):
        return
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text().strip()
    except OSError:
        # It ended meanwhile.
        return
    known = dict(read(record))
    content = f"{identity.boot_id()}\n{known.get('digest', '')}\n{known.get('socket', '')}\n{stat}\n".encode()
    if record.is_dir() and not record.is_symlink():
        # Refused by the kernel where somebody keeps something in it.
        record.rmdir()
    durable_files.write_durably(record, content, draft=record.with_name(f".{record.name}.new"))


def groups(record: Path) -> list[Path]:
    """Return the files by which the process of a record joins its control groups; none where a unit of systemd holds it."""
    named = (Path(value) for name, value in read(record) if name == "group")
    return [joined for joined in named if control_groups.is_group(joined)]


def forget_gone() -> None:
    """Remove the orders of VMs whose data folders were removed by hand, once nothing runs that was started by them.

    Who starts something makes the folder of its record before there are orders, so no orders are taken from under a start.
    """
    try:
        entries = list((folders.base() / "orders").iterdir())
    except OSError:
        return
    gone = {entry: lines for entry in entries if (lines := _lines_of(entry)) and _lost_its_folder(lines)}
    if not gone:
        return
    environments = host_processes.environments()
    for entry, lines in gone.items():
        token = os.fsencode(dict(lines).get("environment", ""))
        # Without one nothing tells what was started by them.
        if token and _lost_its_folder(lines) and not any(token in words for words in environments):
            entry.unlink(missing_ok=True)


def _lost_its_folder(lines: list[tuple[str, str]]) -> bool:
    """Return whether the folder of the record is gone; orders of earlier versions do not name it."""
    record = dict(lines).get(standing_orders.RECORD)
    return record is not None and not os.path.lexists(Path(record).parent)


def forget(record: Path) -> None:
    """Remove what a process that is dead was started with, and its control groups."""
    for joined in groups(record):
        control_groups.remove(joined)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        folders.orders_path(record).unlink()
