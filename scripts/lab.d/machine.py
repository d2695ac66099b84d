"""The machine under QEMU: its devices, with or without KVM, what it says while it runs, and its end in any case.

Whether KVM works is only known when a guest has got through it: a /dev/kvm that opens may still leave guests standing before their first
instruction, and one without nested virtualization leaves the tests inside without theirs. So the first boot tries, and what it saw is
remembered until this machine boots again.
"""

import contextlib
import json
import os
import re
import selectors
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import host
import load
import notes

SCRATCH = 100 * 1024**3
"""A hole, of which only what tests write is ever there."""
_STALLED = 20.0
"""Seconds in which a kernel under KVM has long said its first word."""
_STILL = 90
"""Seconds after which a processor that gets nowhere never will; a busy machine keeps an emulated one waiting for half a minute."""
_LOCKUP = re.compile(rb"soft lockup - CPU#\d+ stuck for (\d+)s")
_UP = 300.0
"""Seconds in which the service inside has begun, also under emulation on a busy machine."""


class Machine(NamedTuple):
    """What is to be booted."""

    image: host.Image
    load: Path
    folder: Path
    memory: int
    cpus: int
    shell: bool
    reboots: bool = False
    """Whether the host inside may be rebooted; else that ends it."""


class Broken(Exception):
    """The machine did not do what it was started for."""


class Fallen(Broken):
    """The host inside is gone or stands still, though there was time left."""


class _Stalled(Exception):
    """Nothing came out of a guest under KVM."""


def command(wanted: Machine, accel: str) -> list[str]:
    """Return the command line of QEMU. It dies with us, whatever ends us."""
    folder, talk = wanted.folder, "virtconsole" if wanted.shell else "virtserialport,name=lab.out"
    words = "root=/dev/vda rw console=ttyS0 quiet loglevel=4 panic=-1 net.ifnames=0 hugepages=128 mitigations=off"
    words += " systemd.show_status=false systemd.hostname=lab"
    # Five levels of pages are one walk more for every miss, twice over for a guest inside.
    cpu = "host" if accel == "kvm" else "max,+svm,la57=off"
    return [
        "setpriv", "--pdeathsig", "KILL", "--",
        "qemu-system-x86_64", "-name", "herocloud-lab", "-M", "q35", "-accel", accel if accel == "kvm" else "tcg,thread=multi,tb-size=512",
        "-cpu", cpu, "-smp", f"{wanted.cpus},sockets={2 if wanted.cpus % 2 == 0 else 1}", "-m", str(wanted.memory), *_nodes(wanted),
        "-nodefaults", "-no-user-config", "-display", "none", *([] if wanted.reboots else ["-no-reboot"]),
        "-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
        "-qmp", f"unix:{folder}/qmp,server=on,wait=off",
        "-kernel", str(wanted.image.kernel), "-initrd", str(wanted.image.initramfs), "-append", words,
        *_disk(wanted.image.disk, "snapshot=on"), *_disk(wanted.load, "cache=unsafe"), *_disk(folder / "scratch.raw", "cache=unsafe"),
        "-serial", f"file:{folder}/console.log", "-device", "virtio-serial-pci",
        "-chardev", "stdio,id=talk,signal=off", "-device", f"{talk},chardev=talk",
        "-chardev", f"file,id=results,path={folder}/results.tar", "-device", "virtserialport,name=lab.results,chardev=results",
        "-chardev", f"file,id=notes,path={folder}/notes,append=on", "-device", "virtserialport,name=lab.notes,chardev=notes",
        # The first card ends at the emulator: nothing inside reaches the outside.
        "-netdev", "user,id=out,restrict=on", "-device", "virtio-net-pci,netdev=out,mac=52:54:00:00:00:01",
        "-netdev", "hubport,id=left,hubid=1", "-device", "virtio-net-pci,netdev=left,mac=52:54:00:00:00:02",
        "-netdev", "hubport,id=right,hubid=1", "-device", "virtio-net-pci,netdev=right,mac=52:54:00:00:00:03",
    ]  # fmt: skip


def _nodes(wanted: Machine) -> list[str]:
    """Return two NUMA nodes where there are CPUs for both."""
    if wanted.cpus < 2:
        return []
    half, middle = wanted.memory // 2, wanted.cpus // 2
    sizes, cpus = (half, wanted.memory - half), (f"0-{middle - 1}", f"{middle}-{wanted.cpus - 1}")
    nodes: list[str] = []
    for number in range(2):
        nodes += ["-object", f"memory-backend-ram,id=node{number},size={sizes[number]}M"]
        nodes += ["-numa", f"node,nodeid={number},cpus={cpus[number]},memdev=node{number}"]
    return nodes


def _disk(path: Path, option: str) -> list[str]:
    name = path.stem
    return ["-drive", f"file={path},format=raw,if=none,id={name},{option}", "-device", f"virtio-blk-pci,drive={name}"]


def run(wanted: Machine, accel: str, seconds: float, memory: Path, told: Callable[[str], None]) -> float:
    """Boot it and wait for its end; returns how long it ran."""
    with (wanted.folder / "scratch.raw").open("wb") as stream:
        stream.truncate(SCRATCH)
    chosen = choose(accel, memory)
    deadline = time.monotonic() + seconds
    cpus = f"{wanted.cpus} CPU{'s' if wanted.cpus > 1 else ''}"
    told(f"boots with {chosen.upper()}, {cpus}, {wanted.memory} MiB; ends after {seconds / 60:.0f} minutes at the latest")
    try:
        return _run(wanted, chosen, deadline, patient=accel == "kvm")
    except _Stalled:
        _note(memory).write_text("a guest under KVM said nothing\n", encoding="utf-8")
        told(f"no guest gets through KVM here: nothing came in {_STALLED:g} s; goes on with TCG")
        return _run(wanted, "tcg", deadline, patient=True)


def usual_cpus(accel: str) -> int:
    """Return how many CPUs the host inside has where nobody says so.

    One under emulation: QEMU emulates each in a thread of its own, and with two of them guests inside were reset while they booted, and
    the host inside panicked.
    """
    return max(2, min(4, os.cpu_count() or 2)) if accel == "kvm" else 1


def choose(accel: str, memory: Path) -> str:
    """Say what to try first."""
    if accel != "auto":
        return accel
    usable = os.access("/dev/kvm", os.R_OK | os.W_OK) and _is_nested() and not _note(memory).exists()
    return "kvm" if usable else "tcg"


def _is_nested() -> bool:
    for module in ("kvm_amd", "kvm_intel"):
        with contextlib.suppress(OSError):
            return Path(f"/sys/module/{module}/parameters/nested").read_text(encoding="utf-8").strip() in ("1", "Y")
    return False


def _note(memory: Path) -> Path:
    identity = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return memory / f"no-kvm-{identity}"


def _run(wanted: Machine, accel: str, deadline: float, *, patient: bool) -> float:
    started = time.monotonic()
    log = wanted.folder / "qemu.log"
    # What an earlier boot said in its last moments is not said of this one.
    (wanted.folder / "console.log").unlink(missing_ok=True)
    with log.open("wb") as errors:
        # Where QEMU's input ends, it closes the way out as well; so tests get an input that stays open and says nothing.
        talk = None if wanted.shell else subprocess.PIPE
        process = subprocess.Popen(command(wanted, accel), stdin=talk, stdout=talk, stderr=errors)
    try:
        _follow(process, wanted, started, deadline, may_stall=accel == "kvm" and not patient)
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
    if process.returncode != 0:
        kind = Fallen if (wanted.folder / "printed").exists() else Broken
        raise kind(f"QEMU ended with {process.returncode}: {log.read_text(errors='replace').strip()[-1000:]}{_last_words(wanted)}")
    return time.monotonic() - started


def _follow(process: "subprocess.Popen[bytes]", wanted: Machine, started: float, deadline: float, *, may_stall: bool) -> None:
    """Hand on what comes out, until the machine is off or its time is over."""
    console, up, cuts = wanted.folder / "console.log", wanted.shell, 0
    with selectors.DefaultSelector() as selector:
        if process.stdout is not None:
            selector.register(process.stdout, selectors.EVENT_READ)
        while process.poll() is None or process.stdout is not None:
            now = time.monotonic()
            if now > deadline:
                raise Broken(f"still running after {now - started:.0f} s, and was ended{_last_words(wanted)}")
            if may_stall and now - started > _STALLED and not _has_said(console):
                raise _Stalled
            if not up and now - started > _UP:
                raise Broken(f"the host inside did not come up within {_UP:g} s{_last_words(wanted)}")
            if wanted.reboots and notes.count_cuts(wanted.folder / "notes") > cuts:
                cuts += 1
                cut_power(wanted.folder)
            if _stands_still(console):
                raise Fallen(f"the host inside stands still{_last_words(wanted)}")
            if process.stdout is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=1)
                continue
            if selector.select(timeout=1):
                text = os.read(process.stdout.fileno(), 65536)
                if not text:
                    process.wait(timeout=30)
                    return
                up = True
                sys.stdout.buffer.write(text)
                sys.stdout.buffer.flush()
                with (wanted.folder / "printed").open("ab") as printed:
                    printed.write(text)


def cut_power(folder: Path) -> None:
    """Take the power from the host inside and give it back: what it had not written to its disks is lost."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(30)
        link.connect(str(folder / "qmp"))
        talk = link.makefile("rwb", buffering=0)
        talk.readline()
        for order in ("qmp_capabilities", "system_reset"):
            talk.write(json.dumps({"execute": order}).encode() + b"\n")
            while "return" not in (answer := json.loads(talk.readline() or b'{"error": "QEMU is gone"}')):
                if "error" in answer:
                    raise Broken(f"QEMU did not take `{order}`: {answer['error']}")


def _has_said(console: Path) -> bool:
    return console.exists() and console.stat().st_size > 0


def _stands_still(console: Path) -> bool:
    """Tell whether the kernel inside says that its processors got nowhere for minutes."""
    return console.exists() and any(int(seconds) > _STILL for seconds in _LOCKUP.findall(console.read_bytes()[-4096:]))


def _last_words(wanted: Machine) -> str:
    path = wanted.folder / "console.log"
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    lines = [line for line in text.splitlines() if line.strip()][-15:]
    return "; the last lines on its console:\n" + "\n".join(lines) if lines else "; its console stayed empty"


def bring_back(folder: Path, results: Path, log: str = "pytest.log") -> None:
    """Put logs and results where the person wants them, however it ended; `log` names what was printed."""
    results.mkdir(parents=True, exist_ok=True)
    for old in ("code", "junit.xml", "pytest.log", "output.log", "journal.log", "console.log", "notes"):
        (results / old).unlink(missing_ok=True)
    load.unpack_results(folder / "results.tar", results)
    for ours, name in (("console.log", "console.log"), ("printed", log), ("notes", "notes")):
        if (folder / ours).exists():
            shutil.copy(folder / ours, results / name)


def read_code(results: Path) -> int:
    """Return how it ended inside."""
    try:
        return int((results / "code").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        came = (results / "journal.log").exists()
        raise Fallen(
            f"the host inside ended without saying how it went{'' if came else '; nothing came back'}; "
            f"its console is in {results / 'console.log'}"
        ) from None
