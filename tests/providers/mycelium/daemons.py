"""Daemons for tests: the stand-in, or the real one where it is on PATH, each started with ports of its own."""

import ctypes
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

HERE = Path(__file__).parent
NEW_NET = 0x40000000
MTU = 1400
_Result = TypeVar("_Result")


class Ports(NamedTuple):
    tcp: int = 9651
    api: int = 8989
    rpc: int = 8990


def free_ports() -> Ports:
    """Return ports that nobody has just now."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in Ports._fields]
    ports = Ports(*(one.getsockname()[1] for one in held))
    for one in held:
        one.close()
    return ports


def real_daemon() -> str | None:
    return shutil.which("mycelium")


class Inside:
    """A thread that lives in a network namespace, to call from there."""

    def __init__(self, namespace: str | None) -> None:
        self._pool = ThreadPoolExecutor(1, initializer=_enter, initargs=(namespace,))

    def __call__(self, function: Callable[..., _Result], *words: Any) -> _Result:
        return self._pool.submit(function, *words).result()

    def close(self) -> None:
        self._pool.shutdown()


def _enter(namespace: str | None) -> None:
    if namespace is None:
        return
    with Path(f"/run/netns/{namespace}").open() as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), NEW_NET):
            raise OSError(ctypes.get_errno(), "setns")


class Daemon:
    """A daemon that runs."""

    def __init__(self, words: list[str], ports: Ports, log: Path, namespace: str | None, environment: dict[str, str]) -> None:
        self.ports, self.log, self.namespace = ports, log, namespace
        self.inside = Inside(namespace)
        enter = ["ip", "netns", "exec", namespace] if namespace else []
        with log.open("wb") as stream:
            self.process = subprocess.Popen([*enter, *words], stdout=stream, stderr=stream, env={**os.environ, **environment})

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(20)
        finally:
            self.inside.close()

    def said(self) -> str:
        return self.log.read_text(errors="replace")


def command(kind: str, key: Path, ports: Ports, *more: str, tun: str | None = None) -> list[str]:
    """Return the command line of a daemon, the same for both kinds."""
    program = [sys.executable, str(HERE / "standin.py")] if kind == "standin" else [str(real_daemon())]
    return [
        *program, "-k", str(key), "--disable-quic", "--disable-peer-discovery", "-t", str(ports.tcp),
        "--api-addr", f"127.0.0.1:{ports.api}", "--jsonrpc-addr", f"127.0.0.1:{ports.rpc}",
        *(["--tun-name", tun] if tun else ["--no-tun"]), *more,
    ]  # fmt: skip


def wait_until(what: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Wait until something is so, and return it."""
    ended = threading.Event()
    until = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > until:
            raise AssertionError(f"not so within {seconds:g} s")
        ended.wait(0.05)
    return found
