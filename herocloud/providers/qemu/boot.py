"""Starting and ending the process of a VM.

The mark says that a process may be there before it is started, and the process writes down who it is before it becomes QEMU. So anyone who
comes after a kill at any instant finds what there is: nothing, a machine whose guest has not begun, or one that runs; and goes on from
there. Limits are in the command line; a machine that is pinned, or whose guest is to give memory back, begins halted, is pinned and has a
balloon, and only then its guest starts.
"""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from herocloud.kits import faults
from herocloud.model import powers
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.qemu import (
    balloon,
    closed_host,
    command_inputs,
    command_line,
    disk_chains,
    hotplug,
    kvm_probe,
    layouts,
    open_ports,
    qmp,
    queries,
)
from herocloud.providers.qemu.command_line import Layout, Machine
from herocloud.providers.qemu.qmp import Lost, Refusal, Talk
from herocloud.providers.seam import Work
from herocloud.providers.vmm import (
    boot_files,
    cages,
    files,
    folders,
    grants,
    huge_pages,
    identity,
    launch,
    machine_process,
    marks,
    revivals,
    shutdown,
    supervision,
    supplies,
    virtiofs,
)
from herocloud.providers.vmm.cages import Opened
from herocloud.providers.vmm.identity import Identity
from herocloud.providers.vmm.launch import Launch
from herocloud.providers.vmm.machine_place import Place
from herocloud.providers.vmm.marks import Mark
from herocloud.providers.vmm.shutdown import Patience, Ways
from herocloud.providers.vmm.supplies import Supplies

_FIRST_ANSWER = 30.0
"""Seconds until QEMU has to answer; a busy host takes one or two."""
_STEP = 0.01
_END_OF_ONE_THAT_FAILED = 2.0
"""Seconds that a process which hung up has to end."""
_HALTED = ("paused", "postmigrate")
"""States of a machine whose guest is held; the second one is since its memory was kept."""
_SIGNALED = "terminating on signal"
"""What QEMU says before it ends with 0 because of a signal, as it does when its guest switches itself off."""
_REPEATED = 0.3
"""Seconds in which a write that failed has failed again."""


def boot(place: Place, mark: Mark, work: Work, accelerator: str = "auto") -> None:
    """Bring a VM to run, from wherever it is; one that is booted gets the accelerator that people want, or the one that was proven."""
    data, sid = place.data, place.sid
    process = machine_process.find_living(data, sid, mark)
    if process is None:
        process = _start(place, mark, work, accelerator)
    with _first_talk(data, sid, process, work.cancelled) as talk:
        seen = hotplug.settle(talk, mark.machine)
        faults.reached("qemu.vm.boot.settled")
        if seen.power != "running":
            talk.ask("cont")
        if seen.power in powers.HELD:
            _require_going_on(talk, work)
    machine_process.keep(data, sid, mark)


def _require_going_on(talk: Talk, work: Work) -> None:
    """Require that a guest which its hypervisor had paused is not paused again at once: it writes what it could not write first."""
    talk.pause(_REPEATED)
    power = queries.look(talk).power
    if power in powers.HELD:
        way = (
            "free space on the disk of the data folder" if power == powers.DISK_FULL else "see what the kernel of the host says of the disk"
        )
        raise Permanent(f"`{work.step.address}` was paused again ({power}); {way}, then `herocloud vm resume {work.step.address}`")


def revive(place: Place, mark: Mark, work: Work, accelerator: str, read: Callable[[Talk], None], layout: Layout | None) -> None:
    """Bring a VM to run where it was, laid out as it was; `read` lets its process have the memory."""
    data, sid = place.data, place.sid
    process = machine_process.find_living(data, sid, mark)
    if process is None:
        if revivals.has_gone_on(mark, work):
            work.progress(revivals.ENDED_SINCE, None)
            boot(place, mark, work, accelerator)
            return
        process = _start(place, mark, work, accelerator, waits=True, layout=layout)
    with _first_talk(data, sid, process, work.cancelled) as talk:
        if queries.look(talk).status == "inmigrate":
            _read(talk, read, data, sid, process, work)
        seen = hotplug.settle(talk, mark.machine, revived=True)
        faults.reached("qemu.vm.boot.settled")
        if seen.power != "running":
            revivals.note(data, sid, work)
            faults.reached("qemu.vm.revive.noted")
            talk.ask("cont")
    known = marks.read(data, sid)
    if known is not None:
        # Started again by itself it boots.
        prepare_again(place, known, supplies.of_work(work))
    machine_process.keep(data, sid, mark)


def _read(talk: Talk, read: Callable[[Talk], None], data: Path, sid: str, process: Identity, work: Work) -> None:
    """Let a process read memory. If it crashes while reading, the step fails: a retry would crash the same way."""
    try:
        read(talk)
    except Lost:
        if not identity.wait_for_death(process, _END_OF_ONE_THAT_FAILED, work.cancelled):
            raise
        why = launch.said(identity.record_path(data, sid).with_name("process.log"))
        raise Permanent(f"QEMU ended while it read the memory of `{work.step.address}`{why}; {layouts.WAY_OUT}") from None


def stop(place: Place, mark: Mark, work: Work, patience: Patience) -> None:
    """End a VM's process by the ladder, and clean up behind it."""
    data, sid = place.data, place.sid
    if mark.booted is not None:
        launch.keep(identity.record_path(data, sid), kept=False)
    process = machine_process.find_living(data, sid, mark)
    if process is not None:
        with _Handle(data, sid) as handle:
            button = handle.press_button if handle.can_hear() else None
            handle.bring_data_back(work.cancelled)
            ways = Ways(button, handle.cut_power if handle.answers else None)
            shutdown.end(process, ways, patience, told=work.progress, stopped=work.cancelled)
    faults.reached("qemu.vm.stop.ended")
    launch.dismiss(identity.record_path(data, sid))
    virtiofs.end(data, sid)
    machine_process.forget(data, sid, mark)


def shut_down(data: Path, sid: str, seconds: float) -> bool:
    """Have the guest switch itself off, as it goes down with its host; what is asked for stays as it is."""
    process = identity.running(data, sid)
    if process is None:
        return False
    launch.keep(identity.record_path(data, sid), kept=False)
    with _Handle(data, sid) as handle:
        return shutdown.ask(process, handle.press_button if handle.can_hear() else None, seconds)


def prepare_again(place: Place, mark: Mark, given: Supplies) -> None:
    """Let a machine that was changed while it runs come back as it is now, when it is started again by itself."""
    mark = boot_files.hold_again(place, mark, given, _firmware_of(place, mark, given))
    grants.give(place.data, place.sid, given.needs_of(boot_files.with_held(place.data, place.sid, mark.machine)))
    machine = command_inputs.machine_of(place, mark, given, kvm_probe.require_program(), str(mark.launched["accelerator"]))
    open_ports.note(place.data, place.sid, machine.nics)
    launch.prepare(_launch_of(place, mark, machine, given))


def open_talk(data: Path, sid: str) -> Talk:
    """Open a conversation with a machine that runs."""
    return Talk(command_inputs.sockets_of(data, sid).control)


def _start(place: Place, mark: Mark, work: Work, wanted: str, *, waits: bool = False, layout: Layout | None = None) -> Identity:
    data, sid = place.data, place.sid
    launch.require_free(identity.record_path(data, sid))
    program = kvm_probe.require_program()
    accelerator = kvm_probe.accelerate(program, wanted)
    if not accelerator.usable:
        raise Permanent(f"{accelerator.name.upper()} is {accelerator.why}")
    if mark.machine["hugepages"]:
        huge_pages.require(mark.machine["memory"])
    folders.remove_runtime_folder(data, sid)
    cages.choose_user(data, sid, place.users)
    folders.make_runtime_folder(data, sid)
    files.cut_log(folders.serial_log(data, sid))
    given = supplies.of_work(work)
    mark = boot_files.hold(place, mark, given, _firmware_of(place, mark, given))
    machine = command_inputs.machine_of(place, mark, given, program, accelerator.name)._replace(waits=waits, layout=layout)
    _hand_over(place, mark, machine, given)
    said = {"accelerator": accelerator.name, "board": command_line.board_of(machine), "said": files.size_of_log(data, sid)}
    said[supervision.GUARDED] = closed_host.close(place, mark.machine, given)
    mark = mark._replace(booted=identity.boot_id(), launched={**mark.launched, **said})
    marks.write(data, sid, mark)
    open_ports.note(data, sid, machine.nics)
    faults.reached("qemu.vm.boot.marked")
    virtiofs.start(data, sid, mark.machine, place.owner.address)
    work.progress(f"starting QEMU with {accelerator.name.upper()}", None)
    process = launch.launch(_launch_of(place, mark, machine, given), meanwhile=qmp.load, stopped=work.cancelled)
    faults.reached("qemu.vm.boot.launched")
    return process


def _firmware_of(place: Place, mark: Mark, given: Supplies) -> Path | None:
    uefi = command_inputs.uefi_of(place, mark.machine, given)
    return uefi[0] if uefi is not None else None


def _hand_over(place: Place, mark: Mark, machine: Machine, given: Supplies) -> None:
    """Let the user of the VM open what the machine is made of."""
    data, sid = place.data, place.sid
    grants.give(data, sid, given.needs_of(boot_files.with_held(data, sid, mark.machine)))
    grants.give_folder(data, sid)
    grants.give_files(data, sid, machine.sockets.log)
    if machine.firmware is not None:
        grants.give_files(data, sid, machine.firmware[1])


def _launch_of(place: Place, mark: Mark, machine: Machine, given: Supplies) -> Launch:
    data, sid = place.data, place.sid
    needs = given.needs_of(boot_files.with_held(data, sid, mark.machine))
    code = frozenset() if machine.firmware is None else frozenset(machine.firmware[:1])
    opened = Opened(needs.reads | needs.private | code, needs.writes, needs.private, [share.socket for share in machine.shares])
    return Launch(
        record=identity.record_path(data, sid),
        command=command_line.command(machine),
        socket=machine.sockets.control,
        restart=mark.machine["restart"],
        environment=identity.environment(data, sid),
        unit=identity.unit(data, sid),
        launched=mark.launched,
        cage=cages.cage_of(data, sid, mark.machine, machine.program, opened)._replace(answers_on=closed_host.answered_ports(mark, given)),
        bounds_log=True,
        says_signaled=(f"{identity.RECORD}.log", _SIGNALED),
    )


def _first_talk(data: Path, sid: str, process: Identity, stopped: Callable[[], bool]) -> Talk:
    """Open the first conversation; QEMU makes its socket when it has read its command line."""
    socket = command_inputs.sockets_of(data, sid).control
    until = time.monotonic() + _FIRST_ANSWER
    while True:
        if socket.exists():
            with contextlib.suppress(Lost):
                return Talk(socket)
        if not identity.is_alive(process):
            log = identity.record_path(data, sid).with_name("process.log")
            raise Permanent(f"QEMU ended before the guest began{launch.said(log)}")
        if time.monotonic() > until or stopped():
            raise Temporary("QEMU does not answer on its socket")
        time.sleep(_STEP)


class _Handle:
    """What can be said to a machine that is to end; one that does not answer is ended all the same."""

    def __init__(self, data: Path, sid: str) -> None:
        self._talk: Talk | None = None
        with contextlib.suppress(Lost):
            self._talk = Talk(command_inputs.sockets_of(data, sid).control, patience=5.0)

    @property
    def answers(self) -> bool:
        """Return whether anything can be said to the machine at all."""
        return self._talk is not None

    def can_hear(self) -> bool:
        """Return whether a guest runs that could hear its power button; a paused one is woken for it."""
        with contextlib.suppress(Lost, Refusal):
            if self._talk is None:
                return False
            status = self._talk.ask("query-status")["status"]
            if status in _HALTED:
                self._talk.ask("cont")
            return status in ("running", *_HALTED)
        return False

    def bring_data_back(self, stopped: Callable[[], bool]) -> None:
        """Have what was written elsewhere than in the disks of the machine be in them, before it is gone."""
        if self._talk is not None:
            with contextlib.suppress(Lost):
                disk_chains.bring_back(self._talk, stopped)

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


def version_of(data: Path, sid: str) -> str | None:
    """Return the version of QEMU that a machine runs on; nothing when it does not answer."""
    socket = command_inputs.sockets_of(data, sid).looking
    answers = qmp.ask_many([socket], [qmp.Question("query-version")])[socket] or [None]
    numbers = (answers[0] or {}).get("qemu")
    return None if numbers is None else f"{numbers['major']}.{numbers['minor']}.{numbers['micro']}"


def count(data: Path, sid: str) -> dict[str, dict[str, int]]:
    """Return how much of its memory a guest was asked to give back, and says that it gave; nothing where that is nothing."""
    mark, socket = marks.read_sound(data, sid), command_inputs.sockets_of(data, sid).looking
    answers = qmp.ask_many([socket], [balloon.QUESTION, balloon.LEFT])[socket]
    return balloon.count(mark.machine, answers) if mark is not None else {}


def questions(data: Path, sid: str) -> queries.Look | None:
    """Look at one machine over the socket for those who only look; nothing when it does not answer."""
    socket = command_inputs.sockets_of(data, sid).looking
    return queries.read(qmp.ask_many([socket], queries.QUESTIONS)[socket])
