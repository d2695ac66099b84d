"""The world outside the file: paths, user data and secrets.

Whatever is read here is listed in the result, because a cached load has to look at it again.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from herocloud.kits import names
from herocloud.stack.expanding import Outside, absolute
from herocloud.stack.findings import Findings, Path
from herocloud.stack.layering import Fields

MAX_USER_DATA = 1024**2
MAX_SECRET = 64 * 1024


class World:
    """What was looked at."""

    def __init__(self, environment: Mapping[str, str], secret_key: bytes | None, folder_of: Callable[[Path], str], found: Findings) -> None:
        """Start with nothing looked at."""
        self.environment = environment
        self.secret_key = secret_key
        self.folder_of = folder_of
        self.found = found
        self.paths: set[str] = set()
        self.texts: dict[str, str] = {}
        self.digests: dict[tuple[str, str], str | None] = {}
        self._reported: set[str] = set()

    @property
    def outside(self) -> Outside:
        """Return what the expansion needs."""
        return Outside(self.texts, self.digests)

    def check_path(self, path: Path, text: str, *, folder: bool = False) -> None:
        """Report a path that does not exist."""
        full = absolute(text, self.folder_of(path))
        self.paths.add(full)
        if not os.path.exists(full):  # noqa: PTH110 - texts in, as everywhere in this package.
            self.found.add("path-missing", path, f"There is no `{full}`.", _near(full))
        elif folder != os.path.isdir(full):  # noqa: PTH112
            self.found.add(
                "path-unreadable",
                path,
                f"`{full}` is {'no folder' if folder else 'a folder'}.",
                f"name {'a folder' if folder else 'a file'}",
            )

    def read_user_data(self, path: Path, text: str) -> None:
        """Read a user data file."""
        full = absolute(text, self.folder_of(path))
        content = self._read(path, full, MAX_USER_DATA)
        if content is None:
            return
        try:
            self.texts[full] = content.decode()
        except UnicodeDecodeError:
            self.found.add("path-unreadable", path, f"`{full}` is no UTF-8 text.", None)

    def read_secret(self, path: Path, secret: Fields) -> None:
        """Look at a secret; only its keyed digest is kept."""
        if "env" in secret:
            name = secret["env"]
            value = self.environment.get(name)
            if value is None:
                near = names.nearest(name, self.environment)
                self.found.add(
                    "secret-missing",
                    (*path, "env"),
                    f"The environment variable `{name}` is not set.",
                    f"did you mean `{near}`?" if near else f"set `{name}` for this command",
                )
            else:
                self.digests["env", name] = digest_secret(value.encode("utf-8", "surrogateescape"), self.secret_key)
        elif "file" in secret:
            full = absolute(secret["file"], self.folder_of((*path, "file")))
            content = self._read((*path, "file"), full, MAX_SECRET)
            if content is not None:
                self.digests["file", full] = digest_secret(content, self.secret_key)

    def _read(self, path: Path, full: str, limit: int) -> bytes | None:
        try:
            with open(full, "rb") as stream:  # noqa: PTH123
                content = stream.read(limit + 1)
        except FileNotFoundError:
            self.found.add("path-missing", path, f"There is no `{full}`.", _near(full))
            return None
        except OSError as error:
            self.found.add("path-unreadable", path, f"`{full}` cannot be read: {error.strerror}.", None)
            return None
        if len(content) > limit:
            self.found.add("path-unreadable", path, f"`{full}` is larger than {limit // 1024} KiB.", None)
            return None
        return content


def _near(full: str) -> str | None:
    folder, name = os.path.split(full)
    try:
        near = names.nearest(name, os.listdir(folder))  # noqa: PTH208
    except OSError:
        return f"there is no folder `{folder}` either"
    return f"did you mean `{near}`?" if near else None


def digest_secret(value: bytes, key: bytes | None) -> str | None:
    """Return a fingerprint that shows a change and tells nothing without the key of this data folder."""
    return None if key is None else hashlib.blake2b(value, key=key, digest_size=16).hexdigest()


def look(data: Fields, world: World, *, host_is_here: bool) -> None:
    """Look at everything that the file names outside of itself, each thing where it is written."""
    for name, image in (data.get("images") or {}).items():
        for key in ("source", "kernel", "initramfs"):
            text = image.get(key)
            if text is not None and not text.startswith(("https://", "http://")) and (key != "source" or _is_path(text)):
                world.check_path(("images", name, key), text.removeprefix("file://"))
    for path, fields in _blocks(data):
        _look_at_block(path, fields, world, host_is_here=host_is_here)


def _is_path(source: str) -> bool:
    return source.startswith("file://") or "://" not in source


def _blocks(data: Fields) -> Iterable[tuple[Path, Any]]:
    if "defaults" in data:
        yield ("defaults",), data["defaults"]
    for name, vm in (data.get("vms") or {}).items():
        yield ("vms", name), vm


def _look_at_block(path: Path, fields: Fields, world: World, *, host_is_here: bool) -> None:
    user_data = fields.get("user_data")
    if user_data and "file" in user_data and "text" not in user_data:
        world.read_user_data((*path, "user_data", "file"), user_data["file"])
    for name, secret in (fields.get("secrets") or {}).items():
        if len(secret) == 1:
            world.read_secret((*path, "secrets", name), secret)
    for number, share in enumerate(fields.get("shares") or ()):
        text = share.get("path")
        # An absolute path belongs to the host that is planned for, and a simulated host is not this machine.
        if text and (host_is_here or not text.startswith(("/", "~"))):
            world.check_path((*path, "shares", number, "path"), text, folder=True)
