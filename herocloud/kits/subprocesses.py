"""The one way to run external programs: a list of arguments, a time limit, and one error that carries all that was said.

Never a shell: names from a stack file must not be able to become commands. A time limit is not optional, because a program that hangs
would hang an apply with it. subprocess alone would do, and every caller would forget a different one of these.
"""

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from typing import IO, NamedTuple

from herocloud.kits import processors

_SHOWN = 2000
"""Characters of output that an error shows; the whole stays in its fields."""


class Ran(NamedTuple):
    """What a program said that ended well."""

    stdout: str
    stderr: str


class CommandError(Exception):
    """A program failed, could not be started, or did not end in time (then there is no return code)."""

    def __init__(self, cmd: Sequence[str], returncode: int | None, stdout: str, stderr: str) -> None:
        """Keep everything; only the text is cut."""
        super().__init__(cmd, returncode, stdout, stderr)
        self.cmd = tuple(cmd)
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr

    def __str__(self) -> str:
        """Say what ran, how it ended, and the end of what it said."""
        said = (self.stderr.strip() or self.stdout.strip())[-_SHOWN:]
        if self.returncode is None:
            return f"`{shlex.join(self.cmd)}` {said}"
        return f"`{shlex.join(self.cmd)}` ended with {self.returncode}" + (f": {said}" if said else "")


def run(
    cmd: Sequence[str],
    *,
    timeout: float,
    stdin: str | int = "",
    codes: Sequence[int] = (0,),
    environment: Mapping[str, str] | None = None,
    apart: bool = False,
) -> Ran:
    """Run a program to its end. Raises CommandError when it ends with a code that is not among `codes`, or not in time.

    `stdin` is what the program reads, or the descriptor that it is handed as its standard input. `environment` replaces the whole
    environment; messages that are read by us should be asked for in the C locale. `apart` gives the program a session of its own, without
    this one's terminal and its signals.
    """
    try:
        with processors.everywhere():
            ended = subprocess.run(
                cmd,
                **({"stdin": stdin} if isinstance(stdin, int) else {"input": stdin}),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                env=environment,
                check=False,
                start_new_session=apart,
            )
    except subprocess.TimeoutExpired as error:
        raise CommandError(
            cmd, None, _text(error.stdout), f"still running after {timeout:g} s, and was killed\n{_text(error.stderr)}"
        ) from error
    except OSError as error:
        raise CommandError(cmd, None, "", f"cannot be started: {error.strerror}") from error
    if ended.returncode not in codes:
        raise CommandError(cmd, ended.returncode, ended.stdout, ended.stderr)
    return Ran(ended.stdout, ended.stderr)


def start(cmd: Sequence[str], *, stdout: IO[bytes] | int, stderr: IO[bytes] | int) -> "subprocess.Popen[bytes]":
    """Start a program that reads nothing and return at once, for who follows what it does; raises OSError."""
    with processors.everywhere():
        return subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
