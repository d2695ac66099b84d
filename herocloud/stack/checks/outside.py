"""The world outside the file: paths, user data and secrets."""

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from herocloud.kits import jsons
from herocloud.kits.yaml.tree import Path
from herocloud.stack import names
from herocloud.stack.checks import guest_input
from herocloud.stack.expansion import Outside, absolute
from herocloud.stack.fence import Fence
from herocloud.stack.findings import Findings
from herocloud.stack.layers import Fields
from herocloud.stack.variables import PREFIX

MAX_USER_DATA = 1024**2
MAX_SECRET = 64 * 1024


class World:
    """What was looked at."""

    def __init__(
        self,
        environment: Mapping[str, str],
        secret_key: bytes | None,
        folder_of: Callable[[Path], str],
        findings: Findings,
        fence_of: Callable[[Path], Fence | None] = lambda _path: None,
    ) -> None:
        """Start with nothing looked at; `fence_of` gives what bounds a place in the stack, where anything does."""
        self._fence_of = fence_of
        self.environment = environment
        self.secret_key = secret_key
        self.folder_of = folder_of
        self.found = findings
        self.texts: dict[str, str] = {}
        self.secrets: dict[tuple[str, str], str | None] = {}

    @property
    def outside(self) -> Outside:
        """Return what the expansion needs."""
        return Outside(self.texts, self.secrets)

    def is_fenced(self, path: Path) -> bool:
        """Return whether what may be named at a place is bounded."""
        return self._fence_of(path) is not None

    def check_path(self, path: Path, text: str, *, folder: bool = False) -> None:
        """Report a path that does not exist."""
        full = absolute(text, self.folder_of(path))
        fence = self._fence_of(path)
        if fence is not None and not fence.lets_name(full):
            self._refuse(
                path, text, "the operator of this host has not named a folder for it", "`daemon: {paths: [...]}` in host.yaml does"
            )
            return
        if not os.path.exists(full):  # noqa: PTH110 - texts in, as everywhere in this package.
            self._report_missing(path, full)
        elif folder != os.path.isdir(full):  # noqa: PTH112
            self.found.add(
                "path-unreadable",
                path,
                f"`{full}` is {'no folder' if folder else 'a folder'}.",
                f"name {'a folder' if folder else 'a file'}",
            )

    def look_at_overlay_key(self, path: Path, key: Fields) -> None:
        """Refuse a key that another than the operator names: the daemon would open its own files, and read its own environment."""
        for kind in ("file", "env"):
            if kind in key and self.is_fenced((*path, kind)):
                hint = "leave `key` out; the operator makes the key with `herocloud mycelium key create`"
                self._refuse((*path, kind), key[kind], "keys of the overlay lie in the data folder of the host", hint)

    def read_user_data(self, path: Path, text: str) -> None:
        """Read a user data file."""
        full = absolute(text, self.folder_of(path))
        fence = self._fence_of(path)
        if fence is not None and not fence.lets_read(full):
            self._refuse(path, text, "it was not sent along", "send its content with the stack")
            return
        content = read_file(full, MAX_USER_DATA)
        if isinstance(content, str):
            self._report_unreadable(path, full, content)
            return
        try:
            self.texts[full] = content.decode()
        except UnicodeDecodeError:
            self.found.add("path-unreadable", path, f"`{full}` is not UTF-8 text.", None)
            return
        guest_input.check_user_data(path, self.texts[full], self.found)

    def look_at_secret(self, path: Path, secret: Fields) -> None:
        """Look at a secret; only its keyed digest is kept."""
        kind = "env" if "env" in secret else "file"
        name = secret[kind] if kind == "env" else absolute(secret["file"], self.folder_of((*path, "file")))
        fence = self._fence_of((*path, kind))
        if fence is not None and kind == "file" and not fence.lets_read(name):
            self._refuse((*path, "file"), secret["file"], "it was not sent along", "send its content with the stack")
            return
        there, digest = look_at_secret(kind, name, self.environment, self.secret_key)
        if there:
            self.secrets[kind, name] = digest
        elif kind == "env":
            variable = name.removeprefix(PREFIX)
            near = None if variable != name else names.nearest(name, self.environment, self.found)
            hint = f"did you mean `{near}`?" if near else f"set `{name}` for this command"
            if variable != name:
                hint = f"give it with `--var {variable}=VALUE`, or set `{name}` for this command"
            self.found.add("secret-missing", (*path, "env"), f"The environment variable `{name}` is not set.", hint)
        else:
            content = read_file(name, MAX_SECRET)
            self._report_unreadable((*path, "file"), name, content if isinstance(content, str) else "")

    def _refuse(self, path: Path, text: str, why: str, hint: str) -> None:
        # The same words whether or not there is anything: they must not tell what lies on the host.
        self.found.add("path-refused", path, f"`{text}` cannot be named here: {why}.", hint)

    def _report_unreadable(self, path: Path, full: str, reason: str) -> None:
        if reason:
            self.found.add("path-unreadable", path, f"`{full}` cannot be used: {reason}.", None)
        else:
            self._report_missing(path, full)

    def _report_missing(self, path: Path, full: str) -> None:
        self.found.add("path-missing", path, f"There is no `{full}`.", None if self.found.is_long else _near(full, self.found))


def _near(full: str, findings: Findings) -> str | None:
    folder, name = os.path.split(full)
    try:
        near = names.nearest(name, os.listdir(folder), findings)  # noqa: PTH208
    except OSError:
        return f"there is no folder `{folder}` either"
    return f"did you mean `{near}`?" if near else None


def look(data: Fields, world: World, *, host_is_here: bool) -> None:
    """Look at everything that the file names outside of itself, each thing where it is written."""
    for name, image in (data.get("images") or {}).items():
        for key in ("source", "kernel", "initramfs"):
            text = image.get(key)
            if text and (key != "source" or text.startswith("file://") or "://" not in text):
                world.check_path(("images", name, key), text.removeprefix("file://"))
    named = (data.get("mycelium") or {}).get("key")
    if named:
        world.look_at_overlay_key(("mycelium", "key"), named)
    for path, fields in _blocks(data):
        _look_at_block(path, fields, world, host_is_here=host_is_here)


def _blocks(data: Fields) -> Iterable[tuple[Path, Any]]:
    if "defaults" in data:
        yield ("defaults",), data["defaults"]
    for name, vm in (data.get("vms") or {}).items():
        yield ("vms", name), vm


def _look_at_block(path: Path, fields: Fields, world: World, *, host_is_here: bool) -> None:
    user_data = fields.get("user_data")
    if user_data and "file" in user_data and "text" not in user_data:
        world.read_user_data((*path, "user_data", "file"), user_data["file"])
    elif user_data and "text" in user_data and "file" not in user_data:
        guest_input.check_user_data((*path, "user_data", "text"), user_data["text"], world.found)
    guest_input.check_keys((*path, "ssh_keys"), fields.get("ssh_keys") or (), world.found)
    for name, secret in (fields.get("secrets") or {}).items():
        if len(secret) == 1:
            world.look_at_secret((*path, "secrets", name), secret)
    for number, share in enumerate(fields.get("shares") or ()):
        text = share.get("path")
        if text and "," in text:
            # The daemon of shares takes its options as one list with commas, and would read the rest of the path as more of them.
            world.found.add(
                "path-unreadable",
                (*path, "shares", number, "path"),
                f"`{text}` cannot be shared: it has a comma.",
                "rename it, or share the folder above it",
            )
        # An absolute path belongs to the host that is planned for, and a simulated host is not this machine.
        if text and (host_is_here or world.is_fenced((*path, "shares", number)) or not text.startswith(("/", "~"))):
            world.check_path((*path, "shares", number, "path"), text, folder=True)


def read_file(path: str, limit: int) -> bytes | str:
    """Return the content of a file, or what is wrong with it; only plain files are opened, because a pipe may never end."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - texts in, as everywhere in this package.
            return "it is not a plain file"
        with open(path, "rb") as stream:  # noqa: PTH123
            content = stream.read(limit + 1)
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        return (error.strerror if isinstance(error, OSError) else None) or str(error)
    return content if len(content) <= limit else f"it is larger than {limit // 1024} KiB"


def look_at_secret(kind: str, name: str, environment: Mapping[str, str], key: bytes | None) -> tuple[bool, str | None]:
    """Return whether a secret can be read, and its keyed digest; the value itself goes nowhere."""
    value: bytes | str | None
    if kind == "env":
        text = environment.get(name)
        value = None if text is None else text.encode("utf-8", "surrogateescape")
    else:
        value = read_file(name, MAX_SECRET)
    if not isinstance(value, bytes):
        return False, None
    return True, None if key is None else jsons.blake2b(value, key=key, digest_size=16).hexdigest()
