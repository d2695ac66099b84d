"""What the shell beside a VMM did while nobody looked, and whether it is still there.

The shell restarts the process by the policy of its VM, with or without a daemon, and writes each of its acts into a file. Anyone who looks
after the host reads that file, and puts a new shell beside a process that has lost its own.
"""

import os
from pathlib import Path

from herocloud.kits import plain_files
from herocloud.providers.restart_events import RestartEvent
from herocloud.providers.vmm import files, folders, identity, launch, lost_keepers
from herocloud.providers.vmm.launch import Launch

_EVENTS = f"events.{identity.RECORD}"
_MOST_BYTES = 64 * 1024
"""Of a file that nobody has read for long, the newest part."""
_KINDS = ("ended", "restarted", "left-off", "gave-up")


class VmmRestarter:
    """The shell beside one VM's process."""

    def __init__(self, data: Path, sid: str) -> None:
        """Look at the VM `sid` of a data folder."""
        self._data, self._sid = data, sid
        self._record = identity.record_path(data, sid)
        self._events = self._record.with_name(_EVENTS)
        self._taken = self._record.with_name(f"{_EVENTS}.taken")

    def read_events(self) -> tuple[RestartEvent, ...]:
        """Return what happened since `forget_events`, oldest first; what happens meanwhile comes with the next call."""
        if not self._taken.exists():
            try:
                # The shell opens the file again for each line, so that none is lost by this.
                self._events.rename(self._taken)
            except FileNotFoundError:
                return ()
        try:
            with plain_files.open_buffered(self._taken) as stream:
                stream.seek(max(0, os.fstat(stream.fileno()).st_size - _MOST_BYTES))
                lines = stream.read().decode(errors="replace").splitlines()
        except OSError:
            # Something else has its name; `forget_events` removes that.
            return ()
        return tuple(event for line in lines if (event := _parse(line)) is not None)

    def forget_events(self) -> None:
        """Drop what `read_events` has returned."""
        self._taken.unlink(missing_ok=True)

    def replace_if_dead(self) -> bool:
        """Put a new shell beside a process that should have one and has none; tells whether it did.

        One that stands there and whose record was lost is only written down again.
        """
        if not launch.is_kept(self._record) or self.stands() or identity.running(self._data, self._sid) is None:
            return False
        if lost_keepers.recover(self._record):
            return False
        if not identity.is_held(self._record):
            # Somebody removed the lock that the VMM holds: a shell would get a new one at once, and start a second VMM.
            return False
        environment = identity.environment(self._data, self._sid)
        unit = identity.unit(self._data, self._sid)
        launch.adopt(Launch(self._record, (), Path(), "", environment, unit))
        return True

    def is_abandoned(self) -> bool:
        """Return whether process and shell both died in this boot, so that nobody will start the VM again."""
        known = identity.read(self._record)
        if known is None or known.boot != identity.boot_id() or not launch.is_kept(self._record):
            return False
        return not (self._left() or self.stands() or identity.is_held(self._record) or identity.is_alive(known))

    def cut_log(self) -> bool:
        """Cut the serial log to its limit; tells whether it was longer."""
        return files.cut_log(folders.serial_log(self._data, self._sid))

    def stands(self) -> bool:
        """Return whether the shell is there."""
        known = identity.read(self._record.with_name(f"{identity.RECORD}.keeper"))
        return known is not None and identity.is_alive(known)

    def _left(self) -> bool:
        return self._record.with_name(f"{identity.RECORD}.left").exists()


def _parse(line: str) -> RestartEvent | None:
    """Read a line; one that a crash has torn is nothing."""
    at, _, rest = line.partition(" ")
    kind, _, detail = rest.partition(" ")
    if not at.isdecimal() or kind not in _KINDS:
        return None
    return RestartEvent(float(at), kind, detail.strip())
