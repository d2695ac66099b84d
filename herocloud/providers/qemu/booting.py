"""Starting and ending the process of a VM.

The mark says that a process may be there before it is started, and the process writes down who it is before it becomes QEMU. So whoever
comes after a kill at any instant finds what there is: nothing, a machine whose guest has not begun, or one that runs; and goes on from
there. A machine begins halted; limits and pinning are put in force, and only then the guest starts.
"""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from herocloud.kits import faults, jsons
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.qemu import changing, commanding, looking, proving, talking, wiring
from herocloud.providers.qemu.talking import Lost, Refusal, Talk
from herocloud.providers.qemu.wiring import Place
from herocloud.providers.seam import Work
from herocloud.providers.vmm import ending, folders, identity, keeping, launching, marks
from herocloud.providers.vmm.ending import Patience, Ways
from herocloud.providers.vmm.identity import Identity
from herocloud.providers.vmm.launching import Launch
from herocloud.providers.vmm.marks import Mark

_FIRST_ANSWER = 30.0
"""Seconds until QEMU has to answer; a busy host takes one or two."""
_STEP = 0.01


def boot(place: Place, mark: Mark, work: Work) -> None:
    """Bring a VM to run, from wherever it is."""
    data, sid = place.data, place.sid
    process = _living(data, sid, mark)
    if process is None:
        process = _start(place, mark, work)
    with _first_talk(data, sid, process, work.cancelled) as talk:
        seen = looking.look(talk)
        if seen.status in looking.NOT_BEGUN:
            changing.settle(talk, mark.machine)
            faults.reached("qemu.vm.boot.settled")
        if seen.power != "running":
            talk.ask("cont")


def stop(place: Place, mark: Mark, work: Work, patience: Patience) -> None:
    """End a VM's process by the ladder, and clean up behind it."""
    data, sid = place.data, place.sid
    process = _living(data, sid, mark)
    if process is not None:
        with _Handle(data, sid) as handle:
            button = handle.press_button if handle.can_hear() else None
            ways = Ways(button, handle.cut_power)
            ending.end(process, ways, patience, told=work.progress, stopped=work.cancelled)
    faults.reached("qemu.vm.stop.ended")
    clear(data, sid, mark)


def clear(data: Path, sid: str, mark: Mark) -> None:
    """Forget a process that is proven dead, and what only it needed."""
    if mark.booted is not None:
        marks.write(data, sid, mark._replace(booted=None, launched={}))
    identity.record_path(data, sid).unlink(missing_ok=True)
    keeping.remove_runtime(data, sid)


def open_talk(data: Path, sid: str) -> Talk:
    """Open a conversation with a machine that runs."""
    return Talk(wiring.sockets_of(data, sid).control)


def living(data: Path, sid: str, mark: Mark) -> bool:
    """Tell whether the process of a VM is there."""
    return mark.booted is not None and identity.is_there(data, sid, mark.booted)


def _living(data: Path, sid: str, mark: Mark) -> Identity | None:
    """Return the process of a VM; waits for one that is just being started by somebody who was killed meanwhile."""
    if mark.booted is None or mark.booted != identity.boot_id():
        return None
    record = identity.record_path(data, sid)
    until = time.monotonic() + _FIRST_ANSWER
    while (known := identity.running(data, sid)) is None and identity.is_held(record):
        lost = None if record.exists() else identity.find(data, sid)
        if lost is not None:
            return lost
        if time.monotonic() > until:
            raise Temporary(f"a process of VM {sid} holds `{record.name}.lock` and does not say who it is")
        time.sleep(_STEP)
    return known


def _start(place: Place, mark: Mark, work: Work) -> Identity:
    data, sid = place.data, place.sid
    program = proving.require_program()
    accelerator = proving.accelerate(program)
    if mark.machine["shares"]:
        raise Permanent("shares are not there yet")
    keeping.remove_runtime(data, sid)
    folders.make_runtime_folder(data, sid)
    keeping.cut_log(folders.serial_log(data, sid))
    machine = wiring.machine_of(place, mark, program, accelerator.name, ())
    command = commanding.command(machine)
    marks.write(data, sid, mark._replace(booted=identity.boot_id(), launched={"accelerator": accelerator.name}))
    faults.reached("qemu.vm.boot.marked")
    work.progress(f"starting QEMU with {accelerator.name.upper()}", None)
    environment = {identity.TOKEN: identity.token(data, sid)}
    unit = f"herocloud-{folders.runtime_root(data).name}-{sid}"
    what = Launch(identity.record_path(data, sid), command, jsons.digest(command), machine.sockets.control, environment, unit)
    process = launching.launch(what, stopped=work.cancelled)
    faults.reached("qemu.vm.boot.launched")
    return process


def _first_talk(data: Path, sid: str, process: Identity, stopped: Callable[[], bool]) -> Talk:
    """Open the first conversation; QEMU makes its socket when it has read its command line."""
    socket = wiring.sockets_of(data, sid).control
    until = time.monotonic() + _FIRST_ANSWER
    while True:
        if socket.exists():
            with contextlib.suppress(Lost):
                return Talk(socket)
        if not identity.is_alive(process):
            log = identity.record_path(data, sid).with_name("process.log")
            raise Permanent(f"QEMU ended before the guest began{launching.said(log)}")
        if time.monotonic() > until or stopped():
            raise Temporary("QEMU does not answer on its socket")
        time.sleep(_STEP)


class _Handle:
    """What can be said to a machine that is to end; one that does not answer is ended all the same."""

    def __init__(self, data: Path, sid: str) -> None:
        self._talk: Talk | None = None
        with contextlib.suppress(Lost):
            self._talk = Talk(wiring.sockets_of(data, sid).control, patience=5.0)

    def can_hear(self) -> bool:
        """Tell whether a guest runs that could hear its power button; a paused one is woken for it."""
        with contextlib.suppress(Lost, Refusal):
            if self._talk is None:
                return False
            status = self._talk.ask("query-status")["status"]
            if status == "paused":
                self._talk.ask("cont")
            return status in ("running", "paused")
        return False

    def press_button(self) -> None:
        """Press the power button."""
        self._try("system_powerdown")

    def cut_power(self) -> None:
        """End the machine as if its plug were pulled."""
        self._try("quit")

    def _try(self, command: str) -> None:
        if self._talk is not None:
            with contextlib.suppress(Lost, Refusal):
                self._talk.ask(command)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._talk is not None:
            self._talk.close()


def pause(data: Path, sid: str, *, paused: bool) -> None:
    """Halt the guest, or let it go on."""
    with open_talk(data, sid) as talk:
        if talk.ask("query-status")["status"] == ("running" if paused else "paused"):
            talk.ask("stop" if paused else "cont")


def questions(data: Path, sid: str) -> looking.Look | None:
    """Look at one machine over the socket for those who only look; nothing when it does not answer."""
    socket = wiring.sockets_of(data, sid).looking
    return looking.read(talking.ask_many([socket], looking.QUESTIONS)[socket])
