"""Key files of overlay nodes: made once, 0600, never overwritten, never shown.

A key is 32 bytes without a header, as the daemon reads them. It is an identity: anyone with the key has the address. So `create` never
replaces one (with the key go the addresses of all VMs in its /64), a key that others own, read or can exchange is refused when it is used,
and nothing here returns a private key except for starting a daemon or writing a guest's seed.
"""

import os
import re
import secrets
import shlex
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from herocloud.kits import durable_files, path_trust
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.providers.mycelium import arithmetic
from herocloud.providers.mycelium.arithmetic import KEY_BYTES, PublicKey

FOLDER = "mycelium/keys"
"""Below the data folder."""
HOST = "host"
"""The name of the key of this host's own node."""
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?")
_NAMED = "name a file that holds the 32 bytes of a key, or leave `key` out and run `herocloud mycelium key create NAME`"
_MOST = 4096
"""A file larger than this is not a key; the daemon itself reads the first 32 bytes of anything."""


def path_of(data: Path, name: str) -> Path:
    """Return where the key of this name lies."""
    if not _NAME.fullmatch(name):
        raise _refused(
            "key-name",
            "Not a name for a key",
            f"`{name}` cannot be the name of a key",
            "use lower-case letters, digits, dots, dashes and underscores",
        )
    return data / FOLDER / f"{name}.key"


def create(data: Path, name: str) -> PublicKey:
    """Make a key and return its public half."""
    path = path_of(data, name)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    # `parents` would make the folder in between as the umask says.
    for folder in (path.parent.parent, path.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
    with durable_files.flock(path.parent / ".lock", blocking=True):
        if path.exists():
            raise Refused([taken(path)])
        private = secrets.token_bytes(KEY_BYTES)
        durable_files.write_durably(path, private)
        durable_files.sync_folder(path.parent.parent)
    return arithmetic.public_key(private)


def exists(data: Path, name: str) -> bool:
    """Return whether there is a key of this name."""
    return path_of(data, name).exists()


def read_file(path: Path) -> bytes:
    """Return the private key in a file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise _refused("key-unreadable", "A key cannot be read", f"`{path}` cannot be opened: {error.strerror}", _NAMED) from error
    try:
        status = os.fstat(descriptor)
        mode = stat.S_IMODE(status.st_mode)
        if not stat.S_ISREG(status.st_mode):
            raise _refused("key-unreadable", "A key cannot be read", f"`{path}` is not a file", _NAMED)
        if status.st_uid not in path_trust.trusted_users():
            raise _refused(
                "key-of-others",
                "A key belongs to somebody else",
                f"`{path}` belongs to user {status.st_uid} (mode {mode:04o}), who can read and replace it, and anyone with the key has "
                "the addresses",
                _take_over(path),
            )
        if mode & 0o007:
            raise _refused(
                "key-open",
                "A key is open to others",
                f"`{path}` can be read or written by every user ({mode:04o}), and anyone with the key has the addresses",
                f"run `chmod 600 {shlex.quote(str(path))}`",
            )
        _refuse_others(path, status.st_uid, mode)
        content = os.read(descriptor, _MOST + 1)
    finally:
        os.close(descriptor)
    if len(content) != KEY_BYTES:
        size = f"more than {_MOST}" if len(content) > _MOST else str(len(content))
        raise _refused(
            "key-unreadable", "A key cannot be read", f"`{path}` holds {size} bytes, and a key has {KEY_BYTES}", _size_hint(content)
        )
    return content


def _refuse_others(path: Path, owner: int, mode: int) -> None:
    """Refuse a key in whose place somebody else can put another one: in a folder above it, or by a link that leads to it."""
    flaw = next(path_trust.find_flaws_of_file(path), None)
    if flaw is not None:
        raise _refused(
            "key-of-others",
            "A key can be replaced by others",
            f"`{path}` belongs to user {owner} (mode {mode:04o}), but {flaw.text}: others can put another key in its place",
            _take_over(flaw.path) if flaw.is_owner else f"run `chmod go-w {shlex.quote(str(flaw.path))}`, or {_move(path)}",
        )


def _take_over(path: Path) -> str:
    user, name = "root" if os.geteuid() == 0 else str(os.geteuid()), shlex.quote(str(path))
    return f"run `chown {user} {name}` and `chmod go-w {name}`, or copy the key to a folder of your own (mode 0700)"


def _move(path: Path) -> str:
    return f"move `{path}` to a folder of your own (mode 0700)"


def _size_hint(content: bytes) -> str:
    """Return what is expected of a key file, and what was found instead as far as it can be recognized."""
    text = content.strip()
    found = "the file is empty" if not content else "the file is cut off" if len(content) < KEY_BYTES else "the file holds more than that"
    if len(text) == 2 * KEY_BYTES and re.fullmatch(rb"[0-9A-Fa-f]+", text):
        return (
            f"a key file holds exactly {KEY_BYTES} raw bytes; this one holds {2 * KEY_BYTES} hexadecimal digits, as a variable "
            "does (`key: {env: NAME}`); `xxd -r -p` turns them into bytes"
        )
    if content[KEY_BYTES:] in (b"\n", b"\r\n"):
        found = "the file ends with a line break"
    return f"a key file holds exactly {KEY_BYTES} raw bytes, without a header or a line break, and {found}; {_NAMED}"


def read_named(data: Path, name: str) -> bytes:
    """Return the private key of this name."""
    path = path_of(data, name)
    if not path.exists():
        raise Refused([missing([name])])
    return read_file(path)


def read_environment(variable: str, environment: Mapping[str, str]) -> bytes:
    """Return the private key in an environment variable, where it stands as 64 hexadecimal digits."""
    text = environment.get(variable, "").strip()
    try:
        content = bytes.fromhex(text)
    except ValueError:
        content = b""
    if len(content) != KEY_BYTES:
        raise _refused(
            "key-unreadable",
            "A key cannot be read",
            f"the environment variable `{variable}` {_other_text(text) if text else 'is not set'}",
            f"set `{variable}` to the 64 hexadecimal digits of the key",
        )
    return content


def _other_text(text: str) -> str:
    """Say how a text is not a key, without a character of it: it may be a secret all the same."""
    found = f"holds {len(text)} characters" if len(text) != 2 * KEY_BYTES else "holds other characters"
    return f"does not hold 64 hexadecimal digits: it {found}"


def taken(path: Path) -> Diagnostic:
    """Report a key that is there already."""
    return Diagnostic(
        "key-exists",
        "The key exists already",
        f"`{path}` is there, and every address in its /64 would change with another key",
        hint="to change it all the same, move the file away first",
    )


def missing(names: Sequence[str]) -> Diagnostic:
    """Report keys that are not there, with the command that makes them."""
    listed = ", ".join(f"`{name}`" for name in names)
    return Diagnostic(
        "key-missing",
        "An overlay key is missing",
        f"there is no key {listed} in the data folder, so the addresses that follow from it are not known",
        hint=f"run `herocloud mycelium key create {' '.join(names)}`",
    )


def _refused(code: str, summary: str, detail: str, hint: str | None = None) -> Refused:
    return Refused([Diagnostic(code, summary, detail, hint=hint)])
