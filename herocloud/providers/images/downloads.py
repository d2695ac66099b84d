"""Getting a file over HTTP: in pieces when it has to be, hashed on the way.

The one module that knows httpx. A download that was cut goes on where it stopped, provided the server can prove that the content is still
the same (If-Range with its ETag or date), or the checksum is known, which proves it at the end. What the server says about the length is
compared and never relied on. Waiting and trying again is a matter of this module too: `image pull` has no executor around it.
"""

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from herocloud.kits import durable_files, jsons
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.images.blocks import SparseWriter

if TYPE_CHECKING:
    import httpx

_READ = 1024**2
_ASKING = 64 * 1024**2
"""Bytes after which room is asked for again when the server does not say how much comes."""
_LATER = {408, 425, 429, 500, 502, 503, 504}
"""Answers after which trying again is worth it."""
_REDIRECTS = 8


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)


class Patience(NamedTuple):
    """How long to wait for a server, and how often to try again."""

    connect: float = 10.0
    silence: float = 20.0
    """Seconds without a byte after which a connection is taken for dead."""
    tries: int = 4
    """How often in a row little may come of a try, and how often the content may turn out to be another one."""
    enough: int = 256 * 1024
    """Bytes that make a try worth it: after them the tries are counted again."""
    first: float = 0.5
    longest: float = 15.0
    wait: Callable[[float], None] = _wait

    def delay(self, failures: int, asked: float | None) -> float:
        """Return the seconds before the next try; a server that asks for more gets it, up to a bound."""
        own = min(self.first * 2.0 ** (failures - 1), self.longest)
        return own if asked is None else max(own, min(asked, 4 * self.longest))


class Fetched(NamedTuple):
    """A file that has arrived."""

    sha256: str
    size: int
    joined: bool
    """True when it came in several pieces: a wrong checksum may then be the joint's fault and not the server's."""


class Remote(NamedTuple):
    """What to get, and what holds on the way."""

    url: str
    pinned: bool
    """The checksum is known, so whatever arrives is judged at the end."""
    room: Callable[[int, int], None] = lambda _have, _more: None
    """Asked before bytes are written, with what is there and what comes; raises when they do not fit."""
    cancelled: Callable[[], bool] = lambda: False
    told: Callable[[int, int | None], None] = lambda _done, _all: None
    patience: Patience = Patience()


class _Again(Exception):
    """A try that failed in a way that may pass."""

    def __init__(self, why: str, after: float | None = None) -> None:
        super().__init__(why)
        self.after = after


class _Changed(Exception):
    """The server has other content by now than the piece that is here came from."""


def show(url: str) -> str:
    """Write an address without what may be secret in it: names, passwords and signatures."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url  # A path.
    rest = rest.partition("?")[0].partition("#")[0]
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def download(remote: Remote, target: Path) -> Fetched:
    """Bring the whole file to `target`, going on from what is there of it already."""
    import httpx

    limits = httpx.Timeout(remote.patience.silence, connect=remote.patience.connect)
    with httpx.Client(timeout=limits, auth=_logins(), follow_redirects=True, max_redirects=_REDIRECTS) as client:
        return _Download(client, remote, target).run()


def _logins() -> "httpx.NetRCAuth | None":
    """Return who logs in where, from the file of `NETRC` or `~/.netrc`: stacks, plans and the state never hold such words."""
    import netrc

    import httpx

    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    if not path.is_file():
        return None
    try:
        return httpx.NetRCAuth(str(path))
    except (OSError, netrc.NetrcParseError) as error:
        raise Permanent(f"`{path}`, which says who logs in where, cannot be read: {error}") from error


class _Download:
    """One file on its way. Mutable: it lives as long as the call that made it."""

    def __init__(self, client: "httpx.Client", remote: Remote, target: Path) -> None:
        self._client = client
        self._remote = remote
        self._target = target
        self._notes = target.with_name(target.name + ".json")
        self._hash = hashlib.sha256()
        self._at = 0
        self._known: dict[str, Any] = {}
        """Address, ETag and date of what the piece came from, and in which boot it was written."""
        self._joined = False
        self._restarts = 0

    def run(self) -> Fetched:
        descriptor = os.open(self._target, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._take_up(descriptor)
            self._try_until_done(descriptor)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._notes.unlink(missing_ok=True)
        return Fetched(self._hash.hexdigest(), self._at, self._joined)

    def _try_until_done(self, descriptor: int) -> None:
        failures = 0
        while True:
            before = self._at
            try:
                self._try(descriptor)
            except _Changed:
                self._begin_again()
            except _Again as error:
                failures = 1 if self._at >= before + self._remote.patience.enough else failures + 1
                if failures >= self._remote.patience.tries:
                    raise Temporary(f"`{show(self._remote.url)}`: {error}", delay=5.0) from error
                self._pause(self._remote.patience.delay(failures, error.after))
            else:
                return

    def _pause(self, seconds: float) -> None:
        """Wait in small pieces, so that an interrupt is heard."""
        while seconds > 0:
            self._refuse_cancelled()
            self._remote.patience.wait(min(seconds, 0.5))
            seconds -= 0.5
        self._refuse_cancelled()

    def _refuse_cancelled(self) -> None:
        if self._remote.cancelled():
            raise Temporary(f"the download of `{show(self._remote.url)}` was cancelled; what has arrived is kept for the next try")

    def _take_up(self, descriptor: int) -> None:
        """Hash what an earlier process left here; throw it away when nothing can prove that it belongs to the rest."""
        try:
            self._known = jsons.loads(self._notes.read_bytes())
        except (OSError, ValueError):
            self._known = {}
        usable = self._known.get("url") == self._remote.url
        if not self._remote.pinned:
            # Without a checksum nobody would notice what a power cut did to the piece.
            usable = usable and bool(self._validator()) and self._known.get("boot") == _boot()
        if not usable:
            self._start_over()
            return
        while data := os.pread(descriptor, _READ, self._at):
            self._refuse_cancelled()
            self._hash.update(data)
            self._at += len(data)
        self._joined = self._at > 0

    def _start_over(self) -> None:
        self._hash = hashlib.sha256()
        self._at = 0
        self._known = {}
        self._joined = False

    def _begin_again(self) -> None:
        """Start over because of what the server did, which it may not do for ever."""
        self._restarts += 1
        if self._restarts > self._remote.patience.tries:
            raise Temporary(f"`{show(self._remote.url)}` changed {self._restarts} times while it was downloaded", delay=5.0)
        self._start_over()

    def _validator(self) -> str | None:
        """Return what proves to the server which content the piece is from; a weak tag proves nothing about bytes."""
        tag = self._known.get("etag")
        if tag and not tag.startswith("W/"):
            return str(tag)
        return self._known.get("modified")

    def _try(self, descriptor: int) -> None:
        import httpx

        self._refuse_cancelled()
        # Compressed on the way it would have another length and another checksum.
        headers = {"Accept-Encoding": "identity"}
        validator = self._validator()
        if self._at and not (validator or self._remote.pinned):
            self._start_over()
        if self._at:
            self._joined = True
            headers["Range"] = f"bytes={self._at}-"
            if validator:
                headers["If-Range"] = validator
        try:
            with self._client.stream("GET", self._remote.url, headers=headers) as response:
                self._judge(response)
                self._take_in(response, descriptor)
        except httpx.TooManyRedirects as error:
            raise Permanent(f"`{show(self._remote.url)}` redirects more than {_REDIRECTS} times") from error
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            address = show(self._remote.url)
            raise Permanent(f"`{address}` is not an address to download from, or leads to one that is none: {error}") from error
        except httpx.TimeoutException as error:
            raise _Again(f"nothing came for {self._remote.patience.silence:g} s") from error
        except httpx.TransportError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise Permanent(f"`{show(self._remote.url)}`: the server's certificate is not good: {error}") from error
            raise _Again(str(error) or type(error).__name__) from error

    def _judge(self, response: "httpx.Response") -> None:
        """Raise unless the answer brings content."""
        code = response.status_code
        if not self._remote.pinned and any(earlier.url.scheme == "https" for earlier in response.history) and response.url.scheme == "http":
            raise Permanent(
                f"`{show(self._remote.url)}` redirects to `{show(str(response.url))}`, which anybody on the way can change; give a `sha256`"
            )
        if code in (200, 206):
            return
        if code == 416 and self._at:
            # What is here is at least as long as what the server has; its checksum or a fresh start tells.
            length = response.headers.get("content-range", "").rpartition("/")[2]
            if length == str(self._at) and self._remote.pinned:
                return
            raise _Changed
        what = f"the server answered {code} {response.reason_phrase}".rstrip()
        if code in _LATER:
            raise _Again(what, _seconds(response.headers.get("retry-after")))
        raise Permanent(f"`{show(str(response.url))}`: {what}")

    def _take_in(self, response: "httpx.Response", descriptor: int) -> None:
        if response.status_code == 416:
            return
        if response.status_code == 206:
            self._check_range(response)
        elif self._at:
            # The whole content comes, because it changed or because the server knows no ranges.
            self._begin_again()
        self._note(response)
        total = _total(response, self._at)
        if total is not None:
            self._remote.room(self._at, total - self._at)
        writer = SparseWriter(descriptor, self._at)
        asked = self._at
        try:
            for data in response.iter_raw():
                self._refuse_cancelled()
                if total is None and self._at >= asked:
                    self._remote.room(self._at, len(data))
                    asked = self._at + _ASKING
                writer.write(data)
                self._hash.update(data)
                self._at += len(data)
                self._remote.told(self._at, total)
        finally:
            writer.finish()
        if total is not None and self._at != total:
            raise _Again(f"the connection ended after {self._at} of {total} bytes")

    def _check_range(self, response: "httpx.Response") -> None:
        said = response.headers.get("content-range", "")
        if not said.startswith(f"bytes {self._at}-"):
            # A server that sends another piece than the one asked for is not worth arguing with.
            raise _Changed
        tag = response.headers.get("etag")
        if tag and self._known.get("etag") and tag != self._known["etag"]:
            raise _Changed

    def _note(self, response: "httpx.Response") -> None:
        """Write down what this piece comes from, before any of it is kept."""
        said = {
            "url": self._remote.url,
            "etag": response.headers.get("etag"),
            "modified": response.headers.get("last-modified"),
            "boot": _boot(),
        }
        if said != self._known:
            self._known = said
            durable_files.write_durably(self._notes, jsons.dumps(said).encode(), draft=self._notes.with_name(f".{self._notes.name}.new"))


def _total(response: "httpx.Response", offset: int) -> int | None:
    said = response.headers.get("content-length", "")
    return offset + int(said) if said.isdecimal() else None


def _seconds(text: str | None) -> float | None:
    """Read Retry-After as seconds; as a date it is left to our own patience."""
    return float(text) if text and text.isdecimal() else None


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
