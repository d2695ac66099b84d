"""One interpreter with `jail` in it, which divides for each VM that a command starts: starting one takes longer than all that a cage takes.

`zygote.py JAIL SECONDS ROOM` is started when the first VM is (`zygote_link`), with nothing of who starts it but the other end of a socket,
its standard input. It ends with that process, however that ends, or once nothing was asked of it for some seconds. A message says with what
a keeper is started, and brings the lock that it holds. Who is killed after sending one has started that VM.

A message makes one process, in a session of its own: the keeper. It starts the process of the VM, whose parent it has to be to learn how
that ended, and waits. Only then it becomes the shell that decides what comes next (`keeper_shell`), and stays who it is: the same number,
the same start, the same lock. It waits in Python because no shell waits for a process that it did not start.

The process of the VM comes from it and goes on as `jail`. What works beside it comes from that one (`jail_pair`), so that most of their
memory is one. Each of them says in `/proc` and to `ps` what it is, in the place where the words and the environment of this program were.
"""

import _frozen_importlib_external as _files
import _signal as signal  # type: ignore[import-not-found]
import _socket

# What `jail_pair` and a companion need is there before this divides.
import fcntl  # noqa: F401
import gc
import posix as os
import select  # noqa: F401
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType
    from typing import NoReturn

_NAMES = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
_LOCK = 9
"""The descriptor of the lock, as a keeper hands it on."""
_MOST_BYTES = 64 * 1024
_DESCRIPTOR, _CLOSE_ON_EXEC = 4, 0x40000000
"""Bytes of the number of a descriptor in a message, and the flag for those that come with one."""
DONE = b"+"
"""The answer to a message that made a keeper; any other says why it made none."""


class Order:
    """What a message says: with what a keeper is started, and what it begins with."""

    def __init__(self, message: bytes, lock: int) -> None:
        """Read it; the descriptor of the lock came beside it."""
        self.log, self.record, self.orders, self.other, self.companion, count, *rest = message.decode(*_NAMES).split("\0")
        self.environment, self.shell = rest[: int(count)], rest[int(count) :]
        self.lock = lock


def main(jail: "ModuleType") -> list[str]:
    """Divide for each message; returns, in what becomes the process of a VM, the words for `jail`."""
    try:
        process = os.fork()
    except OSError as error:
        os.write(2, f"it cannot divide: {error.strerror}\n".encode())
        os._exit(126)  # noqa: SLF001  (the name it has in `os` too)
    if process:
        # Who starts this waits for the first process, and for no other.
        os._exit(0)  # noqa: SLF001
    places = _places()
    _say(places, ["herocloud-zygote"], [])
    wire = _settle()
    # What is here now is never thrown away, and looking through it would copy it for each VM.
    gc.freeze()
    while True:
        order = _receive(wire)
        if order is None:
            os._exit(0)  # noqa: SLF001
        if order.companion and order.companion not in jail.CODES:
            jail.CODES[order.companion] = _code(order.companion)
        answer = DONE
        try:
            is_keeper = os.fork() == 0
        except OSError as error:
            is_keeper, answer = False, str(error.strerror).encode()
        if is_keeper:
            wire.close()
            return _keep(order, places)
        os.close(order.lock)
        # Not before the first one: who started this is about to send it.
        wire.settimeout(float(sys.argv[2]))
        try:
            wire.send(answer)
        except OSError:
            # Nobody is there any more; what was sent before that is done all the same.
            continue


def _settle() -> _socket.socket:
    """Leave everything of who started this; returns the socket."""
    os.chdir("/")
    os.umask(0o077)
    wire = _socket.socket(fileno=os.dup(0))
    nothing = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for place in (0, 1, 2):
        os.dup2(nothing, place)
    os.close(nothing)
    # As a shell has it for what works in the background.
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    # Nobody waits for a keeper that ends while this is there.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    return wire


def _receive(wire: _socket.socket) -> Order | None:
    """Return what is asked for next; nothing once nobody can ask any more."""
    while True:
        try:
            message, beside, _, _ = wire.recvmsg(_MOST_BYTES, _socket.CMSG_SPACE(_DESCRIPTOR), _CLOSE_ON_EXEC)
        except TimeoutError:
            # What was sent until now still comes, and who sends from now on learns that nobody takes it.
            wire.shutdown(_socket.SHUT_RD)
            continue
        except OSError:
            return None
        return Order(message, int.from_bytes(beside[0][2], sys.byteorder)) if message else None


def _keep(order: Order, places: tuple[int, int, int]) -> list[str]:
    """Be the keeper of a VM; returns in its process, with the words for `jail`, and never in the keeper."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        _take_descriptors(order)
        _say(places, ["herocloud-keeper", order.record], order.environment)
        began = _note(f"{order.record}.keeper")
        process = os.fork()
    except OSError as error:
        os.write(2, f"{error.filename or 'its keeper'}: {error.strerror}\n".encode(*_NAMES))
        os._exit(126)  # noqa: SLF001
    if process:
        _wait(order, process, began)
    words = ["run", order.orders, order.record, order.other]
    _say(places, [*sys.orig_argv[:5], sys.argv[1], *words], order.environment)
    return words


def _wait(order: Order, process: int, began: str) -> "NoReturn":
    """Wait for the end of the process, and become the shell that goes on from there."""
    _, status = os.waitpid(process, 0)
    code = os.waitstatus_to_exitcode(status)
    # Python ignores them, and what a shell starts would as well.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    known = f"held=1\nbegan={began}\nended={code if code >= 0 else 128 - code}\n"
    shell, option, script, *more = order.shell
    os.execve(shell, [shell, option, known + script, *more], dict(pair.split("=", 1) for pair in order.environment))


def _take_descriptors(order: Order) -> None:
    log = os.open(order.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    for number, place in ((log, 1), (log, 2), (order.lock, _LOCK)):
        os.dup2(number, place)
    for number in (log, order.lock):
        os.close(number)


def _note(path: str) -> str:
    """Write down who the keeper is, as its shell does where that is there from the start; returns the seconds since the host's start."""
    with open("/proc/sys/kernel/random/boot_id") as boot, open("/proc/self/stat") as status, open("/proc/uptime") as uptime:  # noqa: PTH123
        text, now = f"{boot.read().strip()}\nkeeper\n\n{status.read().strip()}\n", uptime.read()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    os.write(descriptor, text.encode(*_NAMES))
    os.close(descriptor)
    return now.partition(".")[0]


def _places() -> tuple[int, int, int]:
    """Return where this process has its words and behind them its environment, and where that ends."""
    with open("/proc/self/stat", "rb") as stream:  # noqa: PTH123
        fields = stream.read().rpartition(b")")[2].split()
    words, _, environment, end = (int(field) for field in fields[45:49])
    return words, environment, end


def _say(places: tuple[int, int, int], words: list[str], environment: list[str]) -> None:
    """Have `/proc` show other words and another environment, as far as there is room: by them a process is found whose record was lost."""
    content = b""
    for texts, begin, end in ((words, *places[:2]), (environment, *places[1:])):
        written = "".join(f"{text}\0" for text in texts).encode(*_NAMES)
        content += written[: end - begin - 1].ljust(end - begin, b"\0")
    try:
        memory = os.open("/proc/self/mem", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.pwrite(memory, content, places[0])
    except OSError:
        return
    finally:
        os.close(memory)


def _code(path: str) -> "CodeType | None":
    """Return what a file was compiled to; nothing where `jail` will say what is wrong with it."""
    try:
        return _files.SourceFileLoader("__main__", path).get_code("__main__")
    except (OSError, SyntaxError):
        return None


if __name__ == "__main__":
    cage = type(sys)("jail")
    exec(_code(sys.argv[1]) or "raise SystemExit(1)", cage.__dict__)  # noqa: S102  (of the package, like this file)
    sys.exit(cage.main(main(cage)))
