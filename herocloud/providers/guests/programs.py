"""Running a program in a guest: its input, what it says, how it ended.

QEMU's agent hands out what a program said when it has ended, all at once, and knows no end as long as something that the program left
behind holds its output open. Where the agent also reads files, the program therefore writes into two files of the guest that are read while
it runs. A shell and a folder for temporary files are all this needs; without them, or without those commands, its output comes at the end.

The time limit is the whole command's: every question to the agent gets what is left of it, so that an agent that answers for ever cannot
outlast it.

The lock of the channel is given up between two looks at a program that takes its time, so that others may ask the guest something.
"""

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from herocloud.kits.jsons import Json
from herocloud.model.errors import HerocloudError, Permanent
from herocloud.providers.guests import agent_answers, agents
from herocloud.providers.guests.agent_answers import Status
from herocloud.providers.guests.agents import Agent
from herocloud.providers.guests.channels import Channel, Off, Refusal, Silent

MOST_INPUT = 4 * 1024**2
"""Bytes of input: it travels in one line, which the agent holds in memory."""
_READING = frozenset({"guest-file-open", "guest-file-read", "guest-file-close"})
_PIECE = 48 * 1024
_HELD = 1.0
"""Seconds that we keep the channel after the start: most programs are done by then."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.5
_SILENCE = 20.0
"""Seconds without an answer after which a guest counts as lost."""
_FOLDER_SCRIPT = "umask 077 && d=$(mktemp -d) && : >$d/out && : >$d/err && echo $d"
_RUN_SCRIPT = 'd=$1; shift; exec "$@" >"$d/out" 2>"$d/err"'
_NOT_FOUND = ("Failed to execute child process", "Failed to execute helper program")
_LONGEST_FOLDER = 4096
_SIGNALS = 128
"""Shells add this to the number of the signal that ended a program."""

Heard = Callable[[bool, bytes], None]
"""Takes what a program said; the flag tells whether it came from stderr."""


class NotEnded(Permanent):
    """A program has run for as long as somebody waits for it."""


class Ended(NamedTuple):
    """How a program ended."""

    code: int
    truncated: bool = False
    """The agent kept only the beginning of what it said."""


class Program(NamedTuple):
    """What to run."""

    command: Sequence[str]
    stdin: bytes | None = None
    environment: Mapping[str, str] | None = None
    streaming: bool = True


class _Limit(NamedTuple):
    """How long a command may take, and an agent for one answer."""

    program: str
    patience: float
    until: float | None

    def left(self) -> float:
        """Return the seconds that the next answer may take; raises when the command has none left."""
        if self.until is None:
            return self.patience
        left = self.until - time.monotonic()
        if left <= 0:
            raise self.late()
        return min(self.patience, left)

    @property
    def over(self) -> bool:
        """Return whether the time of the command has run out."""
        return self.until is not None and time.monotonic() >= self.until

    def late(self) -> "NotEnded":
        """Return the error that says so."""
        return NotEnded(f"`{self.program}` has not ended in time; it goes on in the guest")


class _Files(NamedTuple):
    """Where a program writes to while it runs, and the open files of the agent by stream."""

    folder: str
    handles: Mapping[bool, int]


def run(
    agent: Agent, program: Program, heard: Heard, *, timeout: float | None = None, stopped: Callable[[], bool] = lambda: False
) -> Ended:
    """Run a program to its end, or for `timeout` seconds at most; what it says is given to `heard` as it comes."""
    if program.stdin is not None and len(program.stdin) > MOST_INPUT:
        raise Permanent(f"the input has {len(program.stdin)} bytes, and an agent takes {MOST_INPUT} at most; copy it over the network")
    limit = _Limit(program.command[0], agent.patience, None if timeout is None else time.monotonic() + timeout)
    try:
        return _run(agent, program, heard, limit, stopped)
    except Silent as error:
        if limit.over:
            raise limit.late() from error
        raise


def _run(agent: Agent, program: Program, heard: Heard, limit: _Limit, stopped: Callable[[], bool]) -> Ended:
    with agent.talk(limit.left()) as channel:
        files = _open_files(channel, limit) if program.streaming else None
        try:
            pid = _start(channel, program, files, limit)
        except Refusal as error:
            if str(error).find(_NOT_FOUND[0]) < 0 and str(error).find(_NOT_FOUND[1]) < 0:
                raise Permanent(f"the agent does not run programs: {error}") from error
            heard(True, f"{program.command[0]}: cannot be run in the guest: {error}\n".encode())
            return Ended(127)
        look = _Look(limit, pid, files, heard)
        held, pause = time.monotonic() + _HELD, _FIRST_PAUSE
        while time.monotonic() < held:
            ended = look.at(channel)
            if ended is not None:
                look.clean(channel)
                return ended
            _rest(pause, limit, stopped)
            pause *= 1.5
    return _follow(agent, look, limit, stopped)


def _follow(agent: Agent, look: "_Look", limit: _Limit, stopped: Callable[[], bool]) -> Ended:
    """Look again and again, each time in a conversation of its own."""
    pause, last = 0.1, time.monotonic()
    while True:
        _rest(pause, limit, stopped)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
        try:
            with agent.talk(limit.left()) as channel:
                ended = look.at(channel)
                last = time.monotonic()
                if ended is not None:
                    look.clean(channel)
                    return ended
        except (Silent, Off) as error:
            if limit.over:
                raise limit.late() from error
            if isinstance(error, Off) or time.monotonic() - last > _SILENCE:
                raise Permanent(f"the guest was lost while `{limit.program}` ran in it: {error}") from error


class _Look:
    """Looks at a program that was started."""

    def __init__(self, limit: _Limit, pid: int, files: _Files | None, heard: Heard) -> None:
        self._limit, self._pid, self._files, self._heard = limit, pid, files, heard

    def at(self, channel: Channel) -> Ended | None:
        """Hand on what was said since the last look; returns how it ended when it has."""
        try:
            status = agent_answers.read_status(channel.ask("guest-exec-status", {"pid": self._pid}, timeout=self._limit.left()))
        except Refusal as error:
            raise Permanent("the guest knows nothing of the program any more; it, or its agent, was restarted meanwhile") from error
        if self._files is not None:
            # Asked after the status: once it has ended nothing more is written, so this reads all of it.
            for is_error, handle in self._files.handles.items():
                self._drain(channel, is_error, handle)
        for is_error, said in ((False, status.out), (True, status.err)):
            if said:
                self._heard(is_error, said)
        return _read_end(status) if status.exited else None

    def clean(self, channel: Channel) -> None:
        """Remove the files of a program that has ended; a guest that went away takes them with it."""
        if self._files is None:
            return
        try:
            for handle in self._files.handles.values():
                channel.ask("guest-file-close", {"handle": handle}, timeout=self._limit.left())
            _run_small(channel, "rm", ["-rf", self._files.folder], self._limit)
        except HerocloudError:
            return

    def _drain(self, channel: Channel, is_error: bool, handle: int) -> None:  # noqa: FBT001  (the name of a stream)
        while True:
            said = channel.ask("guest-file-read", {"handle": handle, "count": _PIECE}, timeout=self._limit.left())
            piece = agent_answers.read_piece(said, _PIECE)
            if piece.content:
                self._heard(is_error, piece.content)
            if piece.end:
                return


def _start(channel: Channel, program: Program, files: _Files | None, limit: _Limit) -> int:
    command = list(program.command)
    if files is not None:
        command = ["sh", "-c", _RUN_SCRIPT, "sh", files.folder, *command]
    request: dict[str, Json] = {"path": command[0], "arg": command[1:], "capture-output": files is None}
    if program.stdin is not None:
        request["input-data"] = base64.b64encode(program.stdin).decode()
    if program.environment:
        request["env"] = [f"{name}={value}" for name, value in program.environment.items()]
    return agent_answers.read_pid(channel.ask("guest-exec", request, timeout=limit.left()))


def _open_files(channel: Channel, limit: _Limit) -> _Files | None:
    """Make the two files that a program writes to; nothing where the guest has not what that takes."""
    try:
        if not agents.read_info(channel, limit.left()).commands >= _READING:
            return None
        status = _run_small(channel, "sh", ["-c", _FOLDER_SCRIPT], limit)
        folder = status.out[:_LONGEST_FOLDER].decode(errors="replace").strip()
        if status.code or not folder.startswith("/"):
            return None
        return _Files(
            folder,
            {
                is_error: agent_answers.read_handle(
                    channel.ask("guest-file-open", {"path": f"{folder}/{name}", "mode": "r"}, timeout=limit.left())
                )
                for is_error, name in ((False, "out"), (True, "err"))
            },
        )
    except Refusal:
        return None


def _run_small(channel: Channel, path: str, arguments: Sequence[str], limit: _Limit) -> Status:
    """Run something that ends at once, and wait for it: an agent remembers what nobody asks after."""
    request = {"path": path, "arg": list(arguments), "capture-output": True}
    pid = agent_answers.read_pid(channel.ask("guest-exec", request, timeout=limit.left()))
    until, pause = time.monotonic() + limit.patience, _FIRST_PAUSE
    while True:
        status = agent_answers.read_status(channel.ask("guest-exec-status", {"pid": pid}, timeout=limit.left()))
        if status.exited or time.monotonic() > until:
            return status
        time.sleep(pause)
        pause *= 1.5


def _rest(pause: float, limit: _Limit, stopped: Callable[[], bool]) -> None:
    if stopped():
        raise Permanent(f"interrupted; `{limit.program}` goes on in the guest")
    if limit.over:
        raise limit.late()
    time.sleep(pause)


def _read_end(status: Status) -> Ended:
    return Ended(_SIGNALS + status.signal if status.signal else status.code, status.truncated)
