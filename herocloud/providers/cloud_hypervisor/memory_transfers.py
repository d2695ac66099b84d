"""The memory of a VM in its snapshot: written by `vm.snapshot` and read by `vm.restore`, through a folder of the VM's user.

Beside the memory the program writes its configuration, and a restored VM gets exactly that. It names disks, taps and sockets by paths that
follow from where the data folder is and what networks are called by now, so they are set again before it is read: which devices there are
has to be the same, where they lie has not.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from herocloud.kits import jsons
from herocloud.kits.jsons import Part
from herocloud.model.errors import Conflict, Permanent
from herocloud.providers import snapshot_memory
from herocloud.providers.cloud_hypervisor import endings, file_layout, long_calls, releases
from herocloud.providers.cloud_hypervisor.client import Client, Lost, Refusal
from herocloud.providers.seam import Work
from herocloud.providers.vmm import identity, kept_memory, machine_process, memory_folders
from herocloud.providers.vmm.marks import Mark

if TYPE_CHECKING:
    from herocloud.providers.cloud_hypervisor.machine_models import VmConfig

CONFIG, STATE, MEMORY = "config.json", "state.json", "memory-ranges"
_FILES_OF_A_PAYLOAD = ("kernel", "initramfs", "firmware")

Reached = Callable[[str], None]
"""Hears how far a step is."""


def keep(data: Path, sid: str, mark: Mark | None, work: Work, snapshot: Path, reached: Reached) -> None:
    """Write the memory of a VM that is held into its snapshot."""
    memory = work.step.after["memory"]
    if mark is None or not machine_process.is_living(data, sid, mark):
        raise kept_memory.gone(work, endings.say_how_it_ended(data, sid))
    socket = file_layout.api_socket(data, sid)
    try:
        with Client(socket) as client:
            _require_held(client, memory, work)
        folder = memory_folders.open_for_writing(data, sid)
        reached("half")
        # Nobody ends it early: the program cannot, and a VM that is to go on waits for its end all the same.
        _move(lambda moving: moving.snapshot(folder), socket, work, "keeping memory", memory["size"], lambda: _written(folder))
    except (Lost, Refusal) as error:
        memory_folders.remove(data, sid)
        if isinstance(error, Lost) and not machine_process.is_living(data, sid, mark):
            raise kept_memory.gone(work, endings.say_how_it_ended(data, sid)) from error
        raise
    reached("written")
    folder = memory_folders.take_over(data, sid, (CONFIG, STATE, MEMORY))
    _require_whole(folder, memory["machine"], f"take the snapshot of `{work.step.address}` again")
    memory_folders.put_away(data, sid, snapshot)


def read_back(data: Path, sid: str, mark: Mark, work: Work, config: "VmConfig", reached: Reached) -> None:
    """Make a VM from the memory in a snapshot, in a process that has none; it is held then. `config` is the machine as it is by now."""
    snapshot, socket = data / work.step.origin["path"], file_layout.api_socket(data, sid)
    words = f"`herocloud vm snapshot restore --no-memory` brings the disks of `{work.step.address}` back alone"
    saved = _require_whole(snapshot_memory.folder_of(snapshot), mark.machine, words)
    folder = memory_folders.open_for_reading(data, sid, snapshot, (STATE, MEMORY))
    memory_folders.add(data, sid, CONFIG, jsons.dumps(moved(saved, config, work)).encode())
    reached("lent")
    process = identity.running(data, sid)
    size = int(mark.machine["memory"])
    _move(
        lambda moving: moving.restore({"source_url": f"file://{folder}", "prefault": False}),
        socket,
        work,
        "reading memory",
        size,
        lambda: _was_read(process.pid) if process is not None else 0,
        stopped=work.cancelled,
    )
    reached("restored")
    memory_folders.remove(data, sid)


def moved(saved: Any, now: Any, work: Work) -> Any:
    """Return a saved configuration with the paths that its devices have now."""
    config = {**saved, "serial": {**saved["serial"], "socket": now["serial"]["socket"]}}
    config["vsock"] = {**saved["vsock"], "socket": now["vsock"]["socket"]}
    config["payload"] = {**saved["payload"], **{field: now["payload"][field] for field in _FILES_OF_A_PAYLOAD if field in now["payload"]}}
    config["cpus"] = {**saved["cpus"], "affinity": now["cpus"].get("affinity")}
    config |= {"landlock_enable": bool(now.get("landlock_rules")), "landlock_rules": now.get("landlock_rules")}
    for kind, field in (("disks", "path"), ("net", "tap")):
        there = {device["id"]: device[field] for device in now.get(kind) or ()}
        devices = saved.get(kind) or []
        if {device["id"] for device in devices} != set(there):
            names = ", ".join(device["id"] for device in devices) or "none"
            raise Permanent(f"`{work.step.address}` has other {kind} than its memory knows ({names}), so it cannot go on from it")
        if devices:
            config[kind] = [{**device, field: there[device["id"]]} for device in devices]
    return config


def _move(
    call: Callable[[Client], None],
    socket: Path,
    work: Work,
    what: str,
    size: int,
    done: Callable[[], int],
    *,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    def make() -> None:
        with Client(socket) as client:
            call(client)

    def told() -> None:
        work.progress(what, min(1.0, done() / size))

    long_calls.carry_out(make, told, long_calls.limit_for(size), f"{what} of `{work.step.address}`", stopped=stopped)


def _require_held(client: Client, memory: Part, work: Work) -> None:
    info = client.info()
    state = info["state"] if info is not None else "gone"
    if state != "Paused":
        raise Conflict(f"`{work.step.address}` is {state.lower()} and must be paused while its memory is kept")
    release, wanted = str(releases.parse(client.ping()["version"])), memory["version"] or "no release"
    if release != memory["version"]:
        raise Permanent(
            f"`{work.step.address}` runs on Cloud Hypervisor {release}, and this snapshot is to be read by {wanted}; "
            "reboot the VM, so that it runs on what is installed, or take the snapshot without `--memory`"
        )


def _require_whole(folder: Path, machine: Part, words: str) -> Any:
    """Refuse files that cannot be whole, and return the configuration among them.

    The program writes two of them with one call each, which may write less than all; and where memory is missing it reads zeros.
    """
    try:
        config = jsons.loads((folder / CONFIG).read_bytes())
        whole = _ends_with(folder / STATE, b"}") and (folder / MEMORY).stat().st_size >= machine["boot_memory"]
    except FileNotFoundError as error:
        raise Permanent(f"`{error.filename}` is gone; {words}") from error
    except ValueError as error:
        raise Permanent(f"`{folder / CONFIG}` is damaged; {words}") from error
    if not whole:
        raise Permanent(f"the memory in `{folder}` is not whole; {words}")
    return config


def end_earlier(data: Path, sid: str, mark: Mark | None, work: Work) -> None:
    """Wait until the program is free where somebody who was killed had it move memory, and remove what it wrote."""
    if not memory_folders.path_of(data, sid).exists():
        return
    if mark is not None and machine_process.is_living(data, sid, mark):
        with contextlib.suppress(Lost), Client(file_layout.api_socket(data, sid)) as client:
            long_calls.wait_until_free(client, work.progress)
    memory_folders.remove(data, sid)


def _ends_with(path: Path, end: bytes) -> bool:
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - len(end)))
        return stream.read() == end


def _written(folder: Path) -> int:
    """Return how much of the memory is on the disk by now."""
    try:
        return (folder / MEMORY).stat().st_blocks * 512
    except OSError:
        return 0


def _was_read(pid: int) -> int:
    """Return how far a process has read the memory."""
    return max(_places(pid), default=0)


def _places(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError, ValueError, IndexError):
                if entry.readlink().name == MEMORY:
                    yield int(Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text().split()[1])
