"""Where a daemon listens, as clients reach it: a unix socket, or an address of TCP with a token and mostly with TLS."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl

_PORTS = {"http": 80, "https": 443}


class Address(NamedTuple):
    """One of the two."""

    path: Path | None
    """The socket; nothing over TCP."""
    host: str = "localhost"
    port: int = 80
    tls: "ssl.SSLContext | None" = None
    token: str | None = None

    @property
    def text(self) -> str:
        """Return it as messages name it."""
        return str(self.path) if self.path is not None else f"{'https' if self.tls else 'http'}://{self._name}"

    @property
    def _name(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def headers(self) -> Mapping[str, str]:
        """Return what every request carries."""
        host = {"host": "localhost" if self.path is not None else self._name}
        return host if self.token is None else {**host, "authorization": f"Bearer {self.token}"}


def read(where: Path | str, token: str | None, tls: "ssl.SSLContext | None") -> Address:
    """Read a path, or a URL like `https://192.0.2.7:8443`, which needs a token; `tls` says whom to trust, everybody's usual ones if not."""
    text = str(where)
    if not text.startswith(("http://", "https://")):
        return Address(Path(where))
    parts = urlsplit(text)
    if not parts.hostname or parts.path.strip("/"):
        msg = f"`{text}` is not an address like `https://192.0.2.7:8443`"
        raise ValueError(msg)
    if not token:
        msg = f"`{text}` is an address of TCP, and the daemon asks for a token there"
        raise ValueError(msg)
    if parts.scheme == "https" and tls is None:
        import ssl

        tls = ssl.create_default_context()
    return Address(None, parts.hostname, parts.port or _PORTS[parts.scheme], tls if parts.scheme == "https" else None, token)
