"""Failures of the disk and of SQLite, told as diagnostics: what happened, to which file, and the way out.

Every use of the state goes through `Guarded`, so that a full disk looks the same to a person whether `write` or SQLite met it first.
The fault points named here are where tests make this process die or its disk fail; a point stands before and after each write.
"""

import errno
import os
from pathlib import Path
from types import TracebackType

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused

FAULT_POINTS = (
    "state.create.folder",
    "state.create.draft",
    "state.create.sync",
    "state.create.rename",
    "state.create.renamed",
    "state.create.marker",
    "state.create.marked",
    "state.migrate.before",
    "state.migrate.written",
    "state.migrate.after",
    "state.begin.before",
    "state.begin.written",
    "state.begin.after",
    "state.commit.before",
    "state.commit.written",
    "state.commit.after",
    "state.finish.before",
    "state.finish.written",
    "state.finish.after",
    "state.edit.before",
    "state.edit.written",
    "state.edit.after",
    "state.serial.before",
    "state.serial.written",
    "state.close.before",
    "state.close.checkpointed",
    "state.close.after",
    "state.lock.taken",
    "state.lock.written",
    "state.lock.release",
    "state.lock.cleared",
    "state.key.before",
    "state.key.written",
)
"""`before`: nothing is written; `written`: written and not yet committed; `after`: durable. The others say what comes next."""

_AGAIN = "What was recorded before stands as it was."

_CAUSES: dict[str, tuple[str, str]] = {
    "state-disk-full": ("The disk is full", f"{_AGAIN} Free some space there, then run the same command again."),
    "state-read-only": (
        "The state cannot be written",
        f"{_AGAIN} Make file and file system writable, or name another folder with `--data-dir`.",
    ),
    "state-io-error": (
        "The disk failed",
        f"{_AGAIN} Look into the kernel's log for the device; once it works, run the same command again.",
    ),
    "state-unreadable": (
        "The state may not be used by this user",
        "Run as the owner of the data folder, or name another one with `--data-dir`.",
    ),
    "state-untrusted": (
        "The data folder is open to others",
        (
            "Nothing was changed. Others who can write there can act as this user: take the folder back with `chown` and `chmod go-w`, "
            "or name another one with `--data-dir`."
        ),
    ),
    "state-busy": (
        "The state is busy",
        "Another program keeps a transaction open in it. Wait for it to end, then run the same command again.",
    ),
    "state-damaged": (
        "The state is damaged",
        "Herocloud does not take that for an empty host. Put `state.db` back from a backup, with the `state.db-wal` of the same moment.",
    ),
    "state-missing": (
        "The state is missing",
        "Nothing more was written. Put it back as it was; `herocloud state orphans` then lists what was made since and is in no record.",
    ),
    "state-foreign": (
        "The state belongs to another folder",
        "Nothing was changed. Put the right `state.db` back; or, when this one is meant to be here, remove `state.lineage` beside it.",
    ),
    "state-unusable": ("The state cannot be used", "Correct the cause, then run the same command again."),
}

_TABLES = ("world", "serials", "records", "assignments", "outputs", "applies", "pieces", "journal", "durations")
"""Those of every state: one that is missing was taken out by hand."""

_TOO_LITTLE = 256 * 1024
"""Bytes free on a disk that counts as full: several times what one commit adds."""

_BY_NUMBER = {
    errno.ENOSPC: "state-disk-full",
    errno.EDQUOT: "state-disk-full",
    errno.EROFS: "state-read-only",
    errno.EIO: "state-io-error",
    errno.EACCES: "state-unreadable",
    errno.EPERM: "state-unreadable",
}

_BY_NAME = (
    ("SQLITE_FULL", "state-disk-full"),
    ("SQLITE_READONLY", "state-read-only"),
    ("SQLITE_IOERR", "state-io-error"),
    ("SQLITE_BUSY", "state-busy"),
    ("SQLITE_LOCKED", "state-busy"),
    ("SQLITE_CORRUPT", "state-damaged"),
    ("SQLITE_NOTADB", "state-damaged"),
    ("SQLITE_PERM", "state-unreadable"),
    ("SQLITE_AUTH", "state-unreadable"),
    ("SQLITE_CANTOPEN", "state-unusable"),
    ("SQLITE_", "state-unusable"),
)


def refusal(code: str, path: Path, fact: str) -> Refused:
    """Return the exception for a failure of this kind; `fact` continues the sentence that begins with the path."""
    summary, way_out = _CAUSES[code]
    return Refused([Diagnostic(code, summary, f"`{path}`: {fact}. {way_out}")])


def damaged(path: Path, fact: str) -> Refused:
    """Return the exception for a database that cannot be trusted."""
    return refusal("state-damaged", path, fact)


def explain(error: BaseException, path: Path) -> Refused | None:
    """Return what to raise for an error of the disk or of SQLite; nothing for any other, which is ours to mend."""
    if isinstance(error, OSError):
        where = Path(error.filename) if isinstance(error.filename, str) else path
        return refusal(_BY_NUMBER.get(error.errno or 0, "state-unusable"), where, error.strerror or str(error))
    if type(error).__module__ == "sqlite3" and str(error).removeprefix("no such table: ") in _TABLES:
        return damaged(path, f"{error}")
    # By name and not by class: the lock and the key need this module without loading SQLite.
    name = getattr(error, "sqlite_errorname", None)
    if (
        type(error).__module__ == "sqlite3"
        and isinstance(name, str)
        and not name.startswith(("SQLITE_CONSTRAINT", "SQLITE_MISUSE", "SQLITE_ERROR"))
    ):
        code = next(code for prefix, code in _BY_NAME if name.startswith(prefix))
        if code == "state-io-error" and is_full(path.parent):
            # SQLite tells a full disk from a broken one in its own files, and not in the shared memory beside them.
            return refusal("state-disk-full", path, os.strerror(errno.ENOSPC))
        return refusal(code, path, str(error))
    return None


def is_full(folder: Path) -> bool:
    """Return whether a disk has too little room for the next commit."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return False
    return status.f_bavail * status.f_frsize < _TOO_LITTLE


class Guarded:
    """Turns failures of the disk inside a `with` block into `Refused`."""

    def __init__(self, path: Path) -> None:
        """Name the file that the block works on."""
        self._path = path

    def __enter__(self) -> None:
        """Nothing is needed to begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Raise the explained error from the original one."""
        explained = None if error is None else explain(error, self._path)
        if explained is not None:
            raise explained from error
