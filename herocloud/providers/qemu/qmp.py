"""Speaking QMP: the only module that knows the package `qemu.qmp` and that there is such a thing as asyncio.

There are two ways: a `Talk` with one machine, call by call, and `ask_many`, which puts the same short questions to many machines at once.
Nothing waits without a bound: a VMM that is stopped by a debugger, or whose socket somebody else holds, must not hang a plan.
"""

import contextlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from herocloud.kits import own_sockets
from herocloud.kits.jsons import Json
from herocloud.model.errors import HerocloudError

logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL + 1)
"""The package reports every connection that is refused; our caller says it better."""

_AT_ONCE = 64
"""Machines that are asked at the same time."""
_CALLS = 4
"""How often a machine is called that talks of something else first."""


def load() -> None:
    """Load what a conversation takes, which is a sixteenth of a second: for callers that have to wait for something else anyway."""
    import asyncio  # noqa: F401

    import qemu.qmp  # noqa: F401


class Refusal(HerocloudError):
    """The machine understood and does not do it."""


class Lost(HerocloudError):
    """The machine does not answer."""


class Question(NamedTuple):
    """A command with its arguments."""

    command: str
    arguments: Mapping[str, Json] | None = None


class Talk:
    """A conversation with one machine, in the thread that opened it."""

    def __init__(self, socket: Path, *, patience: float = 10.0) -> None:
        """Connect; `patience` bounds every single answer."""
        import asyncio

        self._patience = patience
        self._runner = asyncio.Runner()
        self._client: Any = None
        try:
            self._client = self._wait(_connect(socket))
        except BaseException:
            self._runner.close()
            raise

    def ask(self, command: str, /, **arguments: Json) -> Json:
        """Put one question and return its answer; underscores in names of arguments stand for hyphens."""
        return self.put(Question(command, {name.replace("_", "-"): value for name, value in arguments.items()}))

    def put(self, question: Question) -> Json:
        """Put one question whose arguments are as QEMU names them."""
        return self._wait(_put(self._client, question))

    def hand_over(self, descriptor: int, name: str) -> None:
        """Give an open file to the machine, which knows it by a name from then on."""

        async def give() -> Json:
            self._client.send_fd_scm(descriptor)
            return await _put(self._client, Question("getfd", {"fdname": name}))

        self._wait(give())

    def pause(self, seconds: float) -> None:
        """Let time pass while the conversation goes on, so that a closed connection is noticed."""
        import asyncio

        self._runner.run(asyncio.sleep(seconds))

    def close(self) -> None:
        """Hang up."""
        import asyncio

        if self._client is not None:
            with contextlib.suppress(Exception):
                self._runner.run(asyncio.wait_for(self._client.disconnect(), 1.0))
        self._runner.close()

    def _wait(self, work: Any) -> Any:
        import asyncio

        async def bounded() -> Any:
            return await asyncio.wait_for(work, self._patience)

        with _worded():
            return self._runner.run(bounded())

    def __enter__(self) -> Self:
        """Hold the conversation."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Hang up."""
        self.close()


def ask_many(sockets: Iterable[Path], questions: Sequence[Question], *, patience: float = 3.0) -> dict[Path, list[Json] | None]:
    """Put the same questions to many machines; an answer that is a refusal is nothing, and so is a machine that does not answer."""
    import asyncio

    async def every() -> dict[Path, list[Json] | None]:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(socket: Path) -> list[Json] | None:
            async with gate:
                with contextlib.suppress(Lost, TimeoutError):
                    return await asyncio.wait_for(_look(socket, questions), patience)
                return None

        paths = list(sockets)
        return dict(zip(paths, await asyncio.gather(*(one(path) for path in paths)), strict=True))

    with asyncio.Runner() as runner:
        return runner.run(every())


async def _look(socket: Path, questions: Sequence[Question]) -> list[Json]:
    with _worded():
        client = await _connect(socket)
        answers: list[Json] = []
        try:
            for question in questions:
                try:
                    answers.append(await _put(client, question))
                except Refusal:
                    answers.append(None)
        finally:
            with contextlib.suppress(Exception):
                await client.disconnect()
        return answers


async def _connect(socket: Path) -> Any:
    # 36 ms, which only those pay who have something to say.
    from qemu.qmp import ConnectError, QMPClient
    from qemu.qmp.qmp_client import NegotiationError

    for attempt in range(1, _CALLS + 1):
        client = QMPClient(socket.parent.name)
        try:
            with own_sockets.held(socket) as place:
                await client.connect(place)
        except ConnectError as error:
            # What happens in the machine at that moment may be reported before the first answer, and the package takes it for the answer.
            if attempt == _CALLS or not isinstance(error.exc, NegotiationError):
                raise
        else:
            return client
    raise AssertionError


async def _put(client: Any, question: Question) -> Any:
    from qemu.qmp.qmp_client import ExecuteError

    try:
        return await client.execute(question.command, dict(question.arguments) if question.arguments else None)
    except ExecuteError as error:
        raise Refusal(f"QEMU refused `{question.command}`: {error.error.error.desc}") from error


@contextlib.contextmanager
def _worded() -> Any:
    """Turn what the package raises into our own words."""
    from qemu.qmp import QMPError

    try:
        yield
    except TimeoutError as error:
        raise Lost("QEMU does not answer") from error
    except (QMPError, OSError, EOFError) as error:
        raise Lost(f"QEMU does not answer: {error}") from error
