"""The optional listener over TCP: only where an address and a token file are named, and the file is its owner's alone."""

import ipaddress
import os
import socket
import stat
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import plain_files
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused

SHORTEST_TOKEN = 16
_HTTP, _HTTPS = 80, 443
_READ = 4096


class Tcp(NamedTuple):
    """What was asked for."""

    address: str
    port: int
    token_file: Path
    certificate: Path | None = None
    key: Path | None = None


def parse(address: str, token_file: Path | None, certificate: Path | None, key: Path | None) -> Tcp:
    """Read an address like `127.0.0.1:8443` or `[::1]:8443`; raises Refused without a token file."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise _refuse("bad-address", "The address to listen at is wrong", f"`{address}` is not `ADDRESS:PORT`.", "write `127.0.0.1:8443`")
    if token_file is None:
        detail = "Anybody may reach a port, so a listener over TCP wants a token."
        raise _refuse("no-token", "There is no token", detail, "name a file of mode 0600 that holds it with `--token-file`")
    if certificate is not None or key is not None:
        _require_pair(certificate, key)
    elif not _is_loopback(host.strip("[]")):
        detail = f"`{host}` may be reached from other hosts, and without TLS everybody on the way reads the token and all else."
        hint = "give `--tls-certificate` and `--tls-key`, or listen at `127.0.0.1` behind something that speaks TLS"
        raise _refuse("no-tls", "There is no TLS", detail, hint)
    return Tcp(host.strip("[]"), int(port), token_file, certificate, key)


def _is_loopback(host: str) -> bool:
    """Return whether only this host reaches an address, or everything that a name stands for."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


def _require_pair(certificate: Path | None, key: Path | None) -> None:
    """Raise Refused for a certificate and a key that TLS could not use."""
    import ssl

    if certificate is None or key is None:
        lacking = "--tls-certificate" if certificate is None else "--tls-key"
        raise _refuse("tls-incomplete", "TLS cannot be used", "A certificate and its key go together.", f"give `{lacking}` too")
    try:
        for path in (certificate, key):
            plain_files.open_unbuffered(path).close()
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        detail = f"`{certificate}` and `{key}` are not a certificate and its key in PEM form: {error.reason or error}."
        raise _refuse("tls-unusable", "TLS cannot be used", detail, "write both again") from error
    except OSError as error:
        detail = f"`{certificate}` or `{key}` cannot be read: {error.strerror}."
        raise _refuse("tls-unusable", "TLS cannot be used", detail, "name files that this user may read") from error
    if key.stat().st_mode & 0o077:
        detail = f"`{key}` has mode {stat.S_IMODE(key.stat().st_mode):04o}, so others may have read the private key."
        raise _refuse("tls-key-open", "The private key is not secret", detail, f"make a new key and certificate; `chmod 600 {key}`")


def read_token(path: Path) -> str:
    """Return the token; raises Refused when others could have read it, or when it is short."""
    try:
        with plain_files.open_unbuffered(path) as stream:
            mode = os.fstat(stream.fileno()).st_mode
            token = stream.read(_READ).decode("utf-8", "replace").strip()
    except OSError as error:
        raise _refuse("no-token", "There is no token", f"`{path}`: {error.strerror}.", "name a file that holds it") from error
    if mode & 0o077:
        detail = f"`{path}` has mode {stat.S_IMODE(mode):04o}, so others may have read it."
        raise _refuse("token-open", "The token is not secret", detail, f"`chmod 600 {path}`, and write a new token into it")
    if len(token) < SHORTEST_TOKEN:
        detail = f"The token in `{path}` has {len(token)} characters, and at least {SHORTEST_TOKEN} are needed."
        raise _refuse("token-short", "The token is too short", detail, "`openssl rand -hex 32` makes one")
    return token


def bind(tcp: Tcp) -> socket.socket:
    """Listen; connections wait from now on until somebody answers them."""
    family = socket.AF_INET6 if ":" in tcp.address else socket.AF_INET
    try:
        listener = socket.create_server((tcp.address, tcp.port), family=family, backlog=128)
    except OSError as error:
        detail = f"`{tcp.address}` port {tcp.port}: {error.strerror}."
        raise _refuse("address-taken", "The address cannot be listened at", detail, "choose another") from error
    return listener


def hosts(tcp: Tcp, reached: str) -> frozenset[str]:
    """Return what a `Host` header may say of a connection to the address `reached`, in lower case.

    That is the address listened at and the one reached, which differ where it listens at all; both with the port, and without where it is
    the usual one, which clients leave out. A page of another origin comes by a name of its own, and never by an address.
    """
    names = {tcp.address.lower(), reached.lower().partition("%")[0]}
    if not names.isdisjoint(("127.0.0.1", "::1")):
        names.add("localhost")
    shown = {f"[{name}]" if ":" in name else name for name in names if name}
    usual = _HTTP if tcp.certificate is None else _HTTPS
    return frozenset({f"{name}:{tcp.port}" for name in shown} | (shown if tcp.port == usual else set()))


def _refuse(code: str, summary: str, detail: str, hint: str) -> Refused:
    return Refused([Diagnostic(code, summary, detail, hint=hint)])
