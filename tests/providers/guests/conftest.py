"""An agent on a socket that runs programs of this machine: as well-behaved, as forgetful or as silent as a test wants it."""

import base64
import contextlib
import json
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from herocloud.providers.guests.agents import Agent
from herocloud.providers.guests.channels import Endpoint

COMMANDS = {"guest-ping", "guest-info", "guest-exec", "guest-exec-status", "guest-shutdown"}
FILES = {"guest-file-open", "guest-file-read", "guest-file-close"}


class FakeAgent:
    """Serves one client after the other, as QEMU does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.commands = set(COMMANDS)
        self.greeting = b""
        """What lies in the channel before whoever connects says anything."""
        self.version = "9.9.9"
        self.silent_for = 0
        """How many greetings it does not hear."""
        self.hears = threading.Event()
        self.hears.set()
        """While it is not set, nothing is heard, as when the guest is booting."""
        self.seen: list[dict[str, Any]] = []
        self.visits = 0
        self.visitors = self.most_visitors = 0
        self.ports: list[str] = []
        self.wants_port = False
        self.turned_away = 0
        """How many visitors are hung up on, because nothing in the guest listens on their port."""
        self._programs: dict[int, tuple[subprocess.Popen[bytes], tuple[Any, ...]]] = {}
        self._files: dict[int, Any] = {}
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(16)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def read_files(self) -> None:
        """Be able to read files from now on, as the agents of most distributions are."""
        self.commands |= FILES

    def forget(self) -> None:
        """Know nothing more of what was started, as after a reboot."""
        for program, kept in self._programs.values():
            program.kill()
            program.wait(timeout=10)
            for stream in kept:
                stream.close()
        self._programs.clear()

    def close(self) -> None:
        self.hears.set()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(timeout=10)
        self.forget()
        for one in self._files.values():
            one.close()
        self.path.unlink(missing_ok=True)

    def _serve(self) -> None:
        while True:
            try:
                wire, _ = self._server.accept()
            except OSError:
                return
            self.visits += 1
            with wire, contextlib.suppress(OSError), wire.makefile("rb") as stream:
                self._talk(wire, stream)

    def _talk(self, wire: socket.socket, stream: BinaryIO) -> None:
        wire.sendall(self.greeting)
        if self.wants_port:
            self.ports.append(stream.readline().decode().strip())
            if self.turned_away:
                self.turned_away -= 1
                return
            wire.sendall(b"OK 1073741824\n")
        while line := stream.readline():
            self.hears.wait(timeout=30)
            delimited = b"\xff" in line
            request = json.loads(line.rpartition(b"\xff")[2])
            self.seen.append(request)
            if request["execute"] == "guest-sync-delimited":
                if self.silent_for:
                    self.silent_for -= 1
                    continue
                wire.sendall((b"\xff" if delimited else b"") + _line({"return": request["arguments"]["id"]}))
                continue
            answer = self._answer(request["execute"], request.get("arguments", {}))
            if answer is not None:
                wire.sendall(_line(answer))

    def _answer(self, command: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
        if command not in self.commands:
            return _error("CommandNotFound", f"The command {command} has not been found")
        if command == "guest-shutdown":
            return None
        return getattr(self, "_" + command.removeprefix("guest-").replace("-", "_"))(arguments)  # type: ignore[no-any-return]

    def _ping(self, _arguments: Any) -> dict[str, Any]:
        return {"return": {}}

    def _info(self, _arguments: Any) -> dict[str, Any]:
        listed = [{"name": name, "enabled": name in self.commands, "success-response": True} for name in sorted(COMMANDS | FILES)]
        return {"return": {"version": self.version, "supported_commands": listed}}

    def _exec(self, arguments: Any) -> dict[str, Any]:
        # Files and no pipes: nobody reads before the end, and a full pipe would never let a program end.
        kept = tuple(tempfile.TemporaryFile() for _ in range(2)) if arguments.get("capture-output") else ()  # noqa: SIM115  (kept open)
        out, err = kept or (subprocess.DEVNULL, subprocess.DEVNULL)
        given = base64.b64decode(arguments.get("input-data", ""))
        environment = dict(one.split("=", 1) for one in arguments.get("env", ()))
        try:
            program = subprocess.Popen(
                [arguments["path"], *arguments.get("arg", ())],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                env={"PATH": os.environ["PATH"], **environment},
            )
        except FileNotFoundError as error:
            for stream in kept:
                stream.close()
            return _error("GenericError", f"Guest agent command failed, error was 'Failed to execute child process: {error}'")
        assert program.stdin is not None
        program.stdin.write(given)
        program.stdin.close()
        program.stdin = None
        self._programs[program.pid] = (program, kept)
        return {"return": {"pid": program.pid}}

    def _exec_status(self, arguments: Any) -> dict[str, Any]:
        known = self._programs.get(arguments["pid"])
        if known is None:
            return _error("GenericError", f"Invalid parameter type for 'pid', expected: {arguments['pid']} does not exist")
        program, kept = known
        if program.poll() is None:
            return {"return": {"exited": False}}
        del self._programs[arguments["pid"]]
        status: dict[str, Any] = {"exited": True}
        status |= {"signal": -program.returncode} if program.returncode < 0 else {"exitcode": program.returncode}
        for name, stream in zip(("out-data", "err-data"), kept, strict=False):
            with stream:
                stream.seek(0)
                if said := stream.read():
                    status[name] = base64.b64encode(said).decode()
        return {"return": status}

    def _file_open(self, arguments: Any) -> dict[str, Any]:
        handle = 1000 + len(self._files)
        self._files[handle] = Path(arguments["path"]).open("rb")  # noqa: SIM115  (closed when it is asked for)
        return {"return": handle}

    def _file_read(self, arguments: Any) -> dict[str, Any]:
        piece = self._files[arguments["handle"]].read(arguments["count"])
        return {"return": {"count": len(piece), "buf-b64": base64.b64encode(piece).decode(), "eof": len(piece) < arguments["count"]}}

    def _file_close(self, arguments: Any) -> dict[str, Any]:
        self._files.pop(arguments["handle"]).close()
        return {"return": {}}


def _line(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer).encode() + b"\n"


def _error(kind: str, said: str) -> dict[str, Any]:
    return {"error": {"class": kind, "desc": said}}


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeAgent]:
    """Return an agent that listens."""
    agent = FakeAgent(tmp_path / "agent.sock")
    yield agent
    agent.close()


@pytest.fixture
def agent(fake: FakeAgent) -> Agent:
    """Return a client of it that is not patient."""
    return Agent(Endpoint(fake.path), patience=5.0)
