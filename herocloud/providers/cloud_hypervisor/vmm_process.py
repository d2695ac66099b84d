"""Starting and ending the process of a VM.

The mark says that a process may be there before it is started, and the process writes down who it is before it becomes Cloud Hypervisor. So
the next process after a kill at any instant finds what there is: nothing, a process without a VM, one whose VM was not booted, or one that
runs; and goes on from there. The program ends with its guest (there is a flag that lets it stay): a process that holds nothing would have
to be distinguishable from one that holds a VM.
"""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from herocloud.kits import faults
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.cloud_hypervisor import (
    attendance,
    endings,
    file_layout,
    hardware,
    installation,
    long_calls,
    machine_config,
    memory_transfers,
    readings,
    releases,
)
from herocloud.providers.cloud_hypervisor.client import Client, Lost, Refusal, Silent
from herocloud.providers.cloud_hypervisor.installation import Installed
from herocloud.providers.cloud_hypervisor.releases import Release
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
    memory_folders,
    revivals,
    shutdown,
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

if TYPE_CHECKING:
    from herocloud.providers.cloud_hypervisor.machine_models import VmConfig

FIRST_ANSWER = 30.0
"""Seconds until the program has to answer; a busy host takes one or two."""
_STEP = 0.005
_LAST_WORDS = 25


def boot(place: Place, mark: Mark, work: Work) -> None:
    """Bring a VM to run, from wherever it is."""
    data, sid = place.data, place.sid
    installed = installation.require()
    process = machine_process.find_living(data, sid, mark) or _start(place, mark, work, installed)
    with _first_talk(data, sid, process, work.cancelled) as client:
        seen = readings.read(client.info(), process.pid)
        if not seen.has_begun:
            # Its attendant would give it its VM as well, where it is to be started again when it ends.
            launch.keep(identity.record_path(data, sid), kept=False)
            _begin(place, mark, work, client)
            faults.reached("cloud-hypervisor.vm.boot.begun")
        elif seen.power == "paused":
            client.resume()
    attendance.wait(data, sid)
    faults.reached("cloud-hypervisor.vm.boot.settled")
    machine_process.keep(data, sid, mark)


def revive(place: Place, mark: Mark, work: Work) -> None:
    """Bring a VM to run where it was when its memory was kept."""
    data, sid = place.data, place.sid
    installed = installation.require()
    process = machine_process.find_living(data, sid, mark)
    if process is None:
        if revivals.has_gone_on(mark, work):
            work.progress(revivals.ENDED_SINCE, None)
            boot(place, mark, work)
            return
        process = _start(place, mark, work, installed)
    with _first_talk(data, sid, process, work.cancelled) as client:
        seen = readings.read(client.info(), process.pid)
        if not seen.has_begun:
            launch.keep(identity.record_path(data, sid), kept=False)
            config = _make_way(place, mark, work, client)
            attendance.start(data, sid)
            reached = lambda point: faults.reached(f"cloud-hypervisor.vm.revive.{point}")  # noqa: E731
            memory_transfers.read_back(data, sid, mark, work, config, reached)
        if seen.power != "running":
            revivals.note(data, sid, work)
            faults.reached("cloud-hypervisor.vm.revive.noted")
            balloon = mark.machine.get("balloon", 0)
            if readings.read(client.info(), process.pid).balloon != balloon:
                # The memory was kept when its guest was asked to give back more or less of it.
                client.resize({"desired_balloon": balloon})
            client.resume()
    memory_folders.remove(data, sid)
    attendance.wait(data, sid)
    faults.reached("cloud-hypervisor.vm.boot.settled")
    machine_process.keep(data, sid, mark)


def stop(place: Place, mark: Mark, work: Work, patience: Patience) -> None:
    """End a VM's process by the ladder, and clean up behind it."""
    data, sid = place.data, place.sid
    if mark.booted is not None:
        launch.keep(identity.record_path(data, sid), kept=False)
    process = machine_process.find_living(data, sid, mark)
    if process is not None:
        with Client(file_layout.api_socket(data, sid), timeout=5.0) as client:
            served = file_layout.api_socket(data, sid).exists()
            button = _button(client, data, sid)
            cut = (lambda: _try(client.end)) if served else None
            shutdown.end(process, Ways(button, cut), patience, told=work.progress, stopped=work.cancelled)
    faults.reached("cloud-hypervisor.vm.stop.ended")
    clear(data, sid, mark)


def shut_down(data: Path, sid: str, seconds: float) -> bool:
    """Have the guest switch itself off, as it goes down with its host; what is asked for stays as it is."""
    process = identity.running(data, sid)
    if process is None:
        return False
    launch.keep(identity.record_path(data, sid), kept=False)
    with Client(file_layout.api_socket(data, sid), timeout=5.0) as client:
        return shutdown.ask(process, _button(client, data, sid), seconds)


def pause(data: Path, sid: str, work: Work) -> None:
    """Halt the guest."""
    with open_client(data, sid) as client:
        long_calls.wait_until_free(client, work.progress)
        client.pause()


def prepare_again(place: Place, mark: Mark, given: Supplies) -> None:
    """Let a machine that was changed while it runs come back as it is now, when its VMM is started again."""
    release = int(mark.launched.get("release") or 0)
    mark = boot_files.hold_again(place, mark, given, hardware.firmware_of(place, mark.machine))
    grants.give(place.data, place.sid, given.needs_of(boot_files.with_held(place.data, place.sid, mark.machine)))
    config = machine_config.config_of(hardware.machine_of(place, mark, given, release))
    attendance.write_config(place.data, place.sid, config)
    launch.prepare(_launch_of(place, mark, Installed(str(mark.launched["program"]), Release(release)), given))


def clear(data: Path, sid: str, mark: Mark) -> None:
    """Forget a process that is proven dead, and what only it needed."""
    launch.dismiss(identity.record_path(data, sid))
    memory_folders.remove(data, sid)
    attendance.end(data, sid)
    virtiofs.end(data, sid)
    machine_process.forget(data, sid, mark)


def open_client(data: Path, sid: str) -> Client:
    """Open the API of a machine that runs."""
    return Client(file_layout.api_socket(data, sid))


def _start(place: Place, mark: Mark, work: Work, installed: Installed) -> Identity:
    data, sid = place.data, place.sid
    launch.require_free(identity.record_path(data, sid))
    if mark.machine["hugepages"]:
        huge_pages.require(mark.machine["memory"])
    if mark.booted is not None:
        work.progress(f"the process before this one is gone: {endings.say_how_it_ended(data, sid) or 'nobody knows how'}", None)
        clear(data, sid, mark)
    said = files.size_of_log(data, sid)
    launched = {"release": installed.release.major, "version": str(installed.release), "program": installed.path, "said": said}
    mark = mark._replace(booted=identity.boot_id(), launched=launched)
    given = supplies.of_work(work)
    cages.choose_user(data, sid, place.users)
    # Asked before anything is started: a kernel that is missing is no reason to start a process.
    mark = boot_files.hold(place, mark, given, hardware.firmware_of(place, mark.machine))
    hardware.machine_of(place, mark, given, installed.release.major)
    folders.make_runtime_folder(data, sid)
    _hand_over(place, mark, given)
    marks.write(data, sid, mark)
    faults.reached("cloud-hypervisor.vm.boot.marked")
    virtiofs.start(data, sid, mark.machine, place.owner.address)
    work.progress(f"starting Cloud Hypervisor {installed.release}", None)
    process = launch.launch(_launch_of(place, mark, installed, given), stopped=work.cancelled)
    faults.reached("cloud-hypervisor.vm.boot.launched")
    return process


def _hand_over(place: Place, mark: Mark, given: Supplies) -> None:
    """Let the user of the VM open what the machine is made of, and write what it and its attendant write."""
    data, sid = place.data, place.sid
    grants.give(data, sid, given.needs_of(boot_files.with_held(data, sid, mark.machine)))
    grants.give_folder(data, sid)
    log = folders.serial_log(data, sid)
    written = (log, log.with_name(f"{log.name}.1"), file_layout.event_file(data, sid), file_layout.log_file(data, sid))
    grants.give_files(data, sid, *written)
    attendance.let_look(data, sid)


def _launch_of(place: Place, mark: Mark, installed: Installed, given: Supplies) -> Launch:
    data, sid = place.data, place.sid
    needs = given.needs_of(boot_files.with_held(data, sid, mark.machine))
    firmware = hardware.firmware_of(place, mark.machine)
    reads = needs.reads | needs.private | (frozenset() if firmware is None else {boot_files.held_firmware(data, sid, firmware)})
    opened = Opened(reads, needs.writes, needs.private, [share.socket for share in virtiofs.shares_of(data, sid, mark.machine)])
    socket = file_layout.api_socket(data, sid)
    command = [installed.path, "--api-socket", f"path={socket}", "--event-monitor", f"path={file_layout.event_file(data, sid)}"]
    command += ["--log-file", str(file_layout.log_file(data, sid)), "-v", "--seccomp", "true"]
    if installed.release.major < releases.REMOVES_SOCKETS:
        # A socket that a dead process left behind keeps these releases from starting. Nobody else starts this VM: we hold its lock.
        command = ["/bin/sh", "-c", 'rm -f -- "$1"; shift; exec "$@"', "sh", str(socket), *command]
    return Launch(
        record=identity.record_path(data, sid),
        command=command,
        socket=socket,
        restart=mark.machine["restart"],
        environment=identity.environment(data, sid),
        unit=identity.unit(data, sid),
        launched=mark.launched,
        cage=cages.cage_of(data, sid, mark.machine, installed.path, opened),
        says_signaled=(file_layout.LOG, endings.SIGNALED) if installed.release.major >= releases.TELLS_SIGNALS else None,
        beside=attendance.of(data, sid),
    )


def _first_talk(data: Path, sid: str, process: Identity, stopped: Callable[[], bool]) -> Client:
    """Open the API once the program serves it. A process that does not answer and lives is busy, or has hung; its time is bounded."""
    socket = file_layout.api_socket(data, sid)
    client = Client(socket)
    moving = memory_folders.path_of(data, sid).exists()
    # One that writes or reads memory answers nothing meanwhile.
    until = time.monotonic() + (long_calls.MOST if moving else FIRST_ANSWER)
    while True:
        if socket.exists():
            try:
                answer = client.ping(max(0.1, min(FIRST_ANSWER, until - time.monotonic())))
            except (Lost, Silent):
                answer = None
            if answer is not None:
                if answer.get("pid") not in (None, process.pid):
                    client.close()
                    raise Permanent(f"process {answer['pid']} answers on `{socket}`, and the process of the VM is {process.pid}")
                return client
        if not identity.is_alive(process):
            client.close()
            raise Permanent(f"Cloud Hypervisor ended before its guest began{last_words(data, sid)}{_where_more(data, sid)}")
        if time.monotonic() > until or stopped():
            client.close()
            raise Temporary(
                f"Cloud Hypervisor does not answer on its socket within {FIRST_ANSWER:g} s{last_words(data, sid)}{_where_more(data, sid)}"
            )
        time.sleep(_STEP)


def _make_way(place: Place, mark: Mark, work: Work, client: Client) -> "VmConfig":
    """Take out of the process what an earlier try left in it, which may be damaged; returns the VM that it is to have."""
    data, sid = place.data, place.sid
    config = machine_config.config_of(hardware.machine_of(place, mark, supplies.of_work(work), client.release))
    client.delete()
    for left in (folders.agent_socket(data, sid), file_layout.serial_socket(data, sid)):
        left.unlink(missing_ok=True)
    attendance.write_config(data, sid, config)
    return config


def _begin(place: Place, mark: Mark, work: Work, client: Client) -> None:
    """Give the process its VM and boot it."""
    data, sid = place.data, place.sid
    config = _make_way(place, mark, work, client)
    try:
        client.create(config)
    except Refusal as refusal:
        if not refusal.is_taken:
            raise
        # The attendant was just doing the same.
        client.delete()
        client.create(config)
    attendance.start(data, sid)
    faults.reached("cloud-hypervisor.vm.boot.created")
    try:
        client.boot()
    except Refusal:
        # The configuration may be damaged, and what was opened stays open; nobody may take this for a VM that can be booted.
        _try(client.delete)
        raise


def _button(client: Client, data: Path, sid: str) -> Callable[[], None] | None:
    """Return what presses the power button; nothing where nobody would hear it."""
    can_hear = file_layout.api_socket(data, sid).exists() and _can_hear(client, file_layout.event_file(data, sid))
    return (lambda: _try(client.press_power_button)) if can_hear else None


def _can_hear(client: Client, events: Path) -> bool:
    """Return whether a guest may hear its power button; a paused one is woken for it, and one that panicked hears nothing.

    A process that does not answer in time may be busy, and its guest gets the button all the same: its data is at stake.
    """
    try:
        seen = readings.read(client.info(), 0, events)
    except (Lost, Silent, Refusal):
        return not readings.has_panicked(events)
    if seen.power == "paused":
        _try(client.resume)
    return seen.has_begun and not seen.panicked


def _try(act: Callable[[], None]) -> None:
    with contextlib.suppress(Lost, Silent, Refusal):
        act()


def last_words(data: Path, sid: str) -> str:
    """Return what the program said last, for a message: on its own streams, else in its log."""
    said = launch.said(identity.record_path(data, sid).with_name("process.log"))
    if said:
        return said
    lines = files.end_of(file_layout.log_file(data, sid)).splitlines()
    errors = [line for line in lines[-_LAST_WORDS:] if "ERROR" in line]
    return f": {errors[-1]}" if errors else ""


def _where_more(data: Path, sid: str) -> str:
    return f"; its log is `{file_layout.log_file(data, sid)}`, and `herocloud doctor` checks what it needs"
