"""The program between a keeper and a VMM: it enters the cage that its orders describe, writes down who it is, and becomes the VMM.

A companion that is written in Python (an order `python`) is run by the interpreter that is there already, which takes a third of the time.
By then it has given up all that another program would not get. One that works `beside` a VMM shares even that with it (`jail_pair`).

`jail.py run ORDERS RECORD` is started by the keeper (`jail_command`), or was loaded before (`zygote`), as the user who runs herocloud.
Orders are read from a file that only this user can write, in the runtime folder and never in the data folder. All is set up here and
nothing in the VMM, so both hypervisors and their companions get the same: limits, a control group, a view of the file system with only its
own files, a user of its own, no capabilities and no way to get any, no open files but those meant for it, an environment of one variable.

All of it is one file with the standard library alone, and of that only what is small: this starts once per VM and has to be quick. `ctypes`
takes longer to load than a cage to enter, and the part of it in C does what is needed here; so does `posix`, which is that of `os`.
"""

import _ctypes
import _frozen_importlib_external as _files
import _stat as stat
import errno
import posix as os
import resource
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

Orders = dict[str, list[str]]
CODES: "dict[str, CodeType]" = {}  # what is loaded already, by its path
_NAMES = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()  # what names of files are written in

_NEW_MOUNTS, _NEW_NAMES, _NEW_IPC = 0x00020000, 0x04000000, 0x08000000
_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_EXEC, _REMOUNT = 1, 2, 4, 8, 32
_BIND, _RECURSIVE, _PRIVATE, _DETACH = 4096, 16384, 1 << 18, 2
_KEPT_FLAGS = {1: 1, 2: 2, 4: 4, 8: 8, 1024: 1024, 2048: 2048, 4096: 1 << 21}
"""Flags of a mount as statvfs tells them, and as mount takes them: those that a host has set must not be taken away."""
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41}
_KEYS, _NEW_KEYRING = {"x86_64": 250, "aarch64": 219, "riscv64": 219}, 1
_DROP_BOUNDING, _NO_NEW_PRIVILEGES, _AMBIENT, _CLEAR_ALL, _CAPABILITIES = 24, 38, 47, 4, 64
_MAKE_RULES, _KEEP_TO_RULES, _SET_FILTER, _AS_FAST = 444, 446, 1, 4
_NO_ABSTRACT_SOCKETS = bytes(16) + (1).to_bytes(8, sys.byteorder)
"""Rules of Landlock: none for files, none for ports, and the scope of abstract sockets."""
_SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix", "gnu")
"""Where a host keeps its programs and what they load."""
_SETTINGS = ("ld.so.cache", "ld.so.conf", "nsswitch.conf", "resolv.conf", "hosts", "services", "gai.conf", "localtime", "ssl/openssl.cnf")
_HARMLESS = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9)}
_KERNEL = ("/sys/class/net", "/sys/devices/virtual/net", "/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/kernel/mm")
"""What VMMs ask the kernel: whether a tap has several queues, which processors and huge pages there are."""
_LOCK, _GIVEN = 9, 3
"""The descriptors of the keeper's lock, which a VMM holds for as long as it lives, and of the socket that a program is handed."""


class Failed(Exception):
    """Something that keeps the program from being started."""


def main(words: list[str]) -> int:
    """Do what the command line says; returns only when it fails, or has nothing to become."""
    companion: CodeType | str = ""
    try:
        companion = _run(words[1], words[2])
    except Failed as failure:
        sys.stderr.write(f"{failure}\n")
        return 126
    except OSError as error:
        sys.stderr.write(f"{error.filename or 'the cage'}: {error.strerror}\n")
        return 127 if error.errno == errno.ENOENT else 126
    if companion:
        exec(companion, {"__name__": "__main__", "__builtins__": __builtins__})  # noqa: S102  (of the package, like this file)
    return 0


def _run(path: str, record: str) -> "CodeType":
    """Do as the orders say, and become the program that they name; returns the code of one that this interpreter runs."""
    orders = _read(path)
    kept = {0, 1, 2, _LOCK, *_listen(orders)}
    if record:
        _note(record, orders)
    if "beside" in orders:
        pair = type(sys)("jail_pair")
        exec(_load(orders["pair"][0]), pair.__dict__)  # noqa: S102  (of the package, like this file)
        path, orders, kept = pair.divide(path, orders, kept, _read, _note)
    # What it was compiled to lies beside it, and out of sight in the cage.
    companion = _load(orders["python"][0]) if "python" in orders else None
    _join(orders)
    _watch_connections(orders, record)
    _limit(orders)
    _wait_for_sockets(orders)
    _lend(orders)
    if "view" in orders:
        _see_only(orders, path.rpartition("/")[0])
    _close_all(kept)
    _become_user(orders)
    os.umask(0o077)
    os.chdir("/")
    environment = dict(pair.split("=", 1) for pair in orders.get("environment", ()))
    if companion is None:
        os.execve(orders["program"][0], orders["word"], environment)
    os.environ.clear()
    os.environ.update((name.encode(*_NAMES), value.encode(*_NAMES)) for name, value in environment.items())
    sys.argv = orders["word"]
    return companion


def _load(path: str) -> "CodeType":
    code = CODES.get(path) or _files.SourceFileLoader("__main__", path).get_code("__main__")
    if code is None:
        raise Failed(f"`{path}` cannot be run")
    return code


def _read(path: str) -> Orders:
    """Read orders: pairs of a name and a value. Only who runs this may have written them."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "rb") as stream:  # noqa: PTH123
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or status.st_mode & 0o022 or not stat.S_ISREG(status.st_mode):
            raise Failed(f"`{path}` may be written by somebody else, so nothing is started from it")
        fields = stream.read().decode(*_NAMES).split("\0")
    orders: Orders = {}
    for name, value in zip(fields[::2], fields[1::2], strict=False):
        orders.setdefault(name, []).append(value)
    return orders


def _note(record: str, orders: Orders, process: str = "self") -> None:
    """Write down who this process is: it stays the same one when it becomes the VMM."""
    with open("/proc/sys/kernel/random/boot_id") as boot, open(f"/proc/{process}/stat") as status:  # noqa: PTH123
        text = f"{boot.read().strip()}\n{orders['digest'][0]}\n{orders['socket'][0]}\n{status.read().strip()}\n"
    descriptor = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    os.write(descriptor, text.encode(*_NAMES))
    os.close(descriptor)


def _listen(orders: Orders) -> set[int]:
    """Make the socket that the program is handed, so that the VM's user may connect to it whatever user the program is."""
    for path in orders.get("listen", ()):
        import socket

        if _mode(path, follow=False):
            os.unlink(path)
        wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        wire.bind(path)
        if "listen-user" in orders:
            os.chown(path, int(orders["listen-user"][0]), -1)
        os.chmod(path, 0o600)
        wire.listen(1)
        os.dup2(wire.detach(), _GIVEN)
        os.set_inheritable(_GIVEN, True)
        return {_GIVEN}
    return set()


def _join(orders: Orders) -> None:
    """Go into the control groups; one that is gone or full of other processes is no reason not to start a VM."""
    for path in orders.get("group", ()):
        try:
            with open(path, "w") as stream:  # noqa: PTH123
                stream.write(str(os.getpid()))
        except OSError as error:
            sys.stderr.write(f"not in the control group `{path}`: {error.strerror}\n")


def _watch_connections(orders: Orders, record: str) -> None:
    """Have somebody asked before the VMM connects to anything; that program needs none of what is taken away below."""
    for path in orders.get("guard", ()):
        guard: dict[str, object] = {"__name__": "guard"}
        exec(_load(path), guard)  # noqa: S102  (of the package, like this file)
        begin = guard["begin"]
        if callable(begin):
            process = begin([sys.executable, "-I", "-S", path, ",".join(orders.get("guard-port", ()))])
            _note(f"{record}.guarded-by", orders, str(process))


def _limit(orders: Orders) -> None:
    for text in orders.get("limit", ()):
        name, value = text.split("=")
        kind = getattr(resource, f"RLIMIT_{name}")
        wanted, (_, most) = int(value), resource.getrlimit(kind)
        if most != resource.RLIM_INFINITY:
            wanted = min(wanted, most)
        resource.setrlimit(kind, (wanted, wanted))


def _lend(orders: Orders) -> None:
    """Give files of ours that the VM only reads to its group: a seed that was written again meanwhile is a new file, and root's."""
    for path in orders.get("lend", ()):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            continue  # what the VMM says about it is the better message
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.fchown(descriptor, -1, int(orders["own-group"][0]))
            os.fchmod(descriptor, 0o640)
        os.close(descriptor)


# The view: a root of its own.


def _see_only(orders: Orders, stage: str) -> None:
    """Put a file system into place in which nothing is but the host's programs and what the orders name."""
    # The VM's user passes through what is made here.
    os.umask(0o022)
    _call("unshare", _NEW_MOUNTS | _NEW_IPC | _NEW_NAMES)
    _mount("none", "/", None, _RECURSIVE | _PRIVATE)
    # Orders of all VMs lie on this place, and nothing in it is needed below.
    _mount("tmpfs", stage, "tmpfs", _NO_SUID | _NO_EXEC, "mode=0755,size=4m,nr_inodes=8k")
    for name in _SYSTEM:
        path = f"/{name}"
        if stat.S_ISLNK(_mode(path, follow=False)):
            os.symlink(os.readlink(path), stage + path)
        elif stat.S_ISDIR(_mode(path)):
            _show_at(path, stage + path, _READ_ONLY | _NO_SUID | _NO_DEVICES, recursive=True)
    # A companion that this interpreter runs asks for neither names nor devices, and may have libraries to load.
    settings, kernel = (_SETTINGS[:2], ()) if "python" in orders else (_SETTINGS, _KERNEL)
    for path, is_kind in [*((f"/etc/{name}", stat.S_ISREG) for name in settings), *((path, stat.S_ISDIR) for path in kernel)]:
        if is_kind(_mode(path)):
            _show_at(path, stage + path, _READ_ONLY | _NO_SUID | _NO_DEVICES | _NO_EXEC)
    for path in orders.get("read", ()):
        _show_at(path, stage + path, _READ_ONLY | _NO_SUID | _NO_DEVICES)
    for path in orders.get("write", ()):
        _show_at(path, stage + path, _NO_SUID | _NO_DEVICES | _NO_EXEC)
    _make_devices(orders, stage)
    _make_folders(f"{stage}/proc")
    try:
        _mount("proc", f"{stage}/proc", "proc", _NO_SUID | _NO_DEVICES | _NO_EXEC, "hidepid=2")
    except OSError as error:
        # A container may hide its own from new ones. VMMs ask it for little.
        sys.stderr.write(f"no /proc of its own: {error.strerror}\n")
    os.chdir(stage)
    number = _PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise Failed(f"no way to change the root directory is known for {os.uname().machine}")
    _call("syscall", number, b".", b".")
    _call("umount2", b".", _DETACH)
    os.chdir("/")


def _wait_for_sockets(orders: Orders) -> None:
    """Wait for the sockets of companions: one that comes back together with its VM may need a moment."""
    until = time.monotonic() + 5
    for path in orders.get("await", ()):
        while not _mode(path) and time.monotonic() < until:
            time.sleep(0.01)


def _make_devices(orders: Orders, stage: str) -> None:
    """Make device nodes for this VM alone; where nodes cannot be made, the host's are shown."""
    user, group = (int(orders[name][0]) if name in orders else -1 for name in ("user", "own-group"))
    nodes = [(f"/dev/{name}", os.makedev(*numbers), 0o666) for name, numbers in _HARMLESS.items()]
    nodes += [(path, os.stat(path).st_rdev, 0o600) for path in orders.get("device", ()) if _mode(path)]
    for path, numbers, mode in nodes:
        target = stage + path
        _make_folders(target.rpartition("/")[0])
        try:
            os.mknod(target, stat.S_IFCHR | mode, numbers)
        except PermissionError:
            if _mode(path):
                _show_at(path, target, _NO_SUID | _NO_EXEC)
            continue
        os.chmod(target, mode)
        if mode == 0o600 and user >= 0:
            os.chown(target, user, group)


def _show_at(path: str, target: str, flags: int, *, recursive: bool = False) -> None:
    """Show a file or folder of the host at `target`; a recursive look has what is mounted below it as well."""
    _make_place(path, target)
    _mount(path, target, None, _BIND | (_RECURSIVE if recursive else 0))
    _restrict(target, flags)
    for place in _mounts_below(target) if recursive else ():
        try:
            _restrict(place, flags)
        except OSError:
            # Hidden by another mount, or of a kind that takes no flags: not seen at all is safe.
            _call("umount2", place.encode(*_NAMES), _DETACH, quietly=True)


def _restrict(place: str, flags: int) -> None:
    """Set flags of a mount, and leave it those that it has."""
    there = os.statvfs(place).f_flag
    kept = sum(kind for told, kind in _KEPT_FLAGS.items() if there & told)
    _mount("none", place, None, _BIND | _REMOUNT | flags | kept)


def _mounts_below(folder: str) -> list[str]:
    """Return what is mounted below a folder: flags of the one above are not theirs."""
    with open("/proc/self/mountinfo", "rb") as stream:  # noqa: PTH123
        # Blanks and the like are written as numbers there. The codec for that takes longer to load than to do without.
        places = [line.split(b" ", 5)[4] for line in stream]
    places = [place.decode("unicode_escape").encode("latin-1") if b"\\" in place else place for place in places]
    return [place.decode(*_NAMES) for place in places if place.startswith(folder.encode(*_NAMES) + b"/")]


def _make_place(path: str, target: str) -> None:
    _make_folders(target if stat.S_ISDIR(_mode(path)) else target.rpartition("/")[0])
    if not _mode(target):
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644))


def _make_folders(path: str) -> None:
    if not stat.S_ISDIR(_mode(path)):
        _make_folders(path.rpartition("/")[0])
        os.mkdir(path, 0o755)


def _mode(path: str, *, follow: bool = True) -> int:
    try:
        return os.stat(path, follow_symlinks=follow).st_mode
    except OSError:
        return 0


# The user: what a guest that got out would be.


def _close_all(kept: set[int]) -> None:
    try:
        numbers = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        numbers = list(range(3, 1024))
    for number in numbers:
        if number not in kept:
            # Without a complaint: the list was read from one of them.
            os.closerange(number, number + 1)


def _become_user(orders: Orders) -> None:
    if "confined" not in orders:
        return
    _drop_bounding()
    # The keys of who runs herocloud are open to whatever it starts, of any user, unless that has a keyring of its own.
    _call("syscall", _KEYS.get(os.uname().machine, -1), _NEW_KEYRING, None, quietly=True)
    if "user" in orders:
        user, group = int(orders["user"][0]), int(orders["own-group"][0])
        os.setgroups([int(group) for group in orders.get("also-group", ())])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
    _call("prctl", _AMBIENT, _CLEAR_ALL, 0, 0, 0, quietly=True)
    _call("capset", (0x20080522).to_bytes(4, sys.byteorder) + bytes(4), bytes(24), quietly=True)  # none; root has them until then
    _call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    _hide_abstract_sockets()
    _keep_to_filter(orders)


def _hide_abstract_sockets() -> None:
    """Keep away from Unix sockets of the host that have no path, which no permissions guard (Landlock, from Linux 6.12)."""
    rules = _call("syscall", _MAKE_RULES, _NO_ABSTRACT_SOCKETS, len(_NO_ABSTRACT_SOCKETS), 0, quietly=True)
    if rules >= 0:
        _call("syscall", _KEEP_TO_RULES, rules, 0, quietly=True)
        os.close(rules)


def _keep_to_filter(orders: Orders) -> None:
    """Install a filter of system calls (`namespace_filter`), without what slows down a process that has one."""
    for number, program in zip(orders.get("filter", ())[::2], orders.get("filter", ())[1::2], strict=True):
        code = bytes.fromhex(program)
        place = (_Byte * len(code)).from_buffer_copy(code)
        words = (len(code) // 8).to_bytes(8, sys.byteorder) + _ctypes.addressof(place).to_bytes(8, sys.byteorder)
        _call("syscall", int(number), _SET_FILTER, _AS_FAST, words)


def _drop_bounding() -> None:
    """Take away what any program could ever get. Who has not the right to has nothing to take away."""
    for number in range(_CAPABILITIES):
        if _call("prctl", _DROP_BOUNDING, number, 0, 0, 0, quietly=True) < 0:
            break  # one that this kernel does not know, or the first one of somebody who may not


# The system.

_LIBRARY = _ctypes.dlopen(None, _ctypes.RTLD_LOCAL)  # type: ignore[arg-type]
_FUNCTIONS: "dict[str, _Function]" = {}  # those that were looked for already


class _Byte(_ctypes._SimpleCData):  # type: ignore[type-arg]  # noqa: SLF001
    _type_ = "c"


class _Function(_ctypes.CFuncPtr):
    _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO


def _mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    words = [source.encode(*_NAMES), target.encode(*_NAMES), kind.encode() if kind else None, flags, options.encode() if options else None]
    _call("mount", *words, about=target)


def _call(name: str, *words: object, quietly: bool = False, about: str = "") -> int:
    function = _FUNCTIONS.get(name) or _FUNCTIONS.setdefault(name, _Function(_ctypes.dlsym(_LIBRARY, name)))
    done: int = function(*words)
    if done < 0 and not quietly:
        number = _ctypes.get_errno()
        raise OSError(number, os.strerror(number), about or name)
    return done


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
