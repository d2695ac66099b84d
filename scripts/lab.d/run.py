"""The lab as a command: what it takes, in which order it goes, and what it says at the end.

It exits with what pytest, the shell or the command ended with inside; with 70 when the host inside did not come so far, and with 69 when
this machine lacks something for it.
"""

import argparse
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import host
import load
import machine
import notes

from herocloud.kits import caches, subprocesses
from herocloud.model.errors import HerocloudError
from herocloud.providers.images.builds import debian_programs as programs
from herocloud.providers.images.builds.debian_programs import Program

ROOT = Path(__file__).resolve().parents[2]
LACKING, BROKEN = 69, 70
"""Exit codes that pytest does not use."""
_NO_TESTS = 5
_SLICES = 3
"""As many VMs at once as the usual tests have."""
_LEAST = 120.0
"""Seconds below which another boot would come to nothing."""

NEEDED = (
    Program("qemu-system-x86_64", "qemu-system-x86"), Program("setpriv", "util-linux"),
    programs.BOOTSTRAP, programs.EXT4, programs.TAR,
)  # fmt: skip


def main() -> int:
    """Run the lab once."""
    options, arguments = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        lacking = find_lacking()
        if lacking:
            install(lacking)
        load.check_python(ROOT)
        return go(options, arguments)
    except (Lacking, load.Unusable) as error:
        say(f"{error}")
        return LACKING
    except (HerocloudError, machine.Broken) as error:
        say(f"{error}")
        return BROKEN


def parse(given: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Tell the lab's own options from pytest's."""
    parser = argparse.ArgumentParser(
        prog="scripts/lab",
        allow_abbrev=False,
        usage="scripts/lab [OPTIONS] [PYTEST ARGUMENTS]",
        description="Run tests, or one command, in a disposable Debian host under QEMU.",
        epilog="Everything else goes on to pytest; without -m the tests marked root, kvm, guest or live are run.",
    )
    parser.add_argument("--shell", action="store_true", help="a shell inside instead of tests; leaving it ends the lab")
    parser.add_argument(
        "--run", metavar="COMMAND", help="one command inside instead of tests, its words in one argument; a .py file is run by .venv"
    )
    parser.add_argument("--reboots", action="store_true", help="the tests marked reboots, in whose course the host inside is rebooted")
    parser.add_argument("--rebuild", action="store_true", help="rebuild the host's image, with the newest packages")
    parser.add_argument("--memory", type=int, metavar="MIB", help=f"of the host inside ({default_memory()}; a slice more with --reboots)")
    parser.add_argument("--cpus", type=int, metavar="N", help="of the host inside (as here with KVM, 2 to 4; 1 with emulation)")
    parser.add_argument("--accel", choices=("auto", "kvm", "tcg"), default="auto", help="auto takes KVM where guests get through it")
    parser.add_argument("--timeout", type=float, default=60, metavar="MINUTES", help="after which it ends in any case (%(default)g)")
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "lab", metavar="DIR", help="for junit.xml and logs (build/lab)")
    parser.add_argument("--keep", action="store_true", help="keep the folder of the run: disks and logs")
    options, arguments = parser.parse_known_args(given)
    if options.memory is None:
        options.memory = default_memory(_SLICES + options.reboots)
    if options.memory < 1024:
        parser.error(f"--memory {options.memory}: less than 1024 MiB leave no room for guests")
    if options.cpus is not None and options.cpus < 1:
        parser.error(f"--cpus {options.cpus}: at least one")
    if options.timeout <= 0:
        parser.error(f"--timeout {options.timeout:g}: more than nothing")
    if options.reboots and (options.shell or options.run is not None):
        parser.error(f"--reboots goes without {'--shell' if options.shell else '--run'}")
    arguments = [one for one in arguments if one != "--"]
    if options.run is None:
        return options, arguments
    if options.shell or arguments:
        parser.error(f"--run goes without {'--shell' if options.shell else f'`{arguments[0]}`'}: its command stands in one argument")
    try:
        return options, load.read_command(options.run)
    except ValueError as error:
        parser.error(f"--run {shlex.quote(options.run)}: {error}")


def default_memory(slices: int = _SLICES) -> int:
    """Return the MiB for slices of 4 GiB beside what the host keeps, or what this machine has; what is not touched is not taken."""
    here = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2
    return max(1024, min((2 + 4 * slices) * 1024, here - 2048))


def go(options: argparse.Namespace, arguments: list[str]) -> int:
    """Build what is missing, boot, and bring back what came out."""
    cache = caches.cache_folder()
    options.cpus = options.cpus or machine.usual_cpus(machine.choose(options.accel, cache / "lab"))
    image = host.ensure(cache / "lab", told=say, again=options.rebuild)
    folder = Path(tempfile.mkdtemp(prefix="herocloud-lab-", dir=os.environ.get("TMPDIR", "/var/tmp")))  # noqa: S108
    try:
        began = time.monotonic()
        until = began + options.timeout * 60
        boots, known = 1, notes.read(folder / "notes")
        meant = choose(options, arguments)
        stage = load.gather(ROOT, folder, cache, say)
        say(f"copied the working tree in {time.monotonic() - began:.0f} s")
        while True:
            try:
                code = boot(options, meant, image, stage, until, known)
                break
            except machine.Fallen as error:
                before, known = known, notes.note_fall(folder / "notes")
                # What a command has done until then is not known, so it is not repeated; nor is a host that was set up by earlier tests.
                once = options.shell or options.reboots or options.run is not None
                if once or not may_go_on(before, known) or until - time.monotonic() < _LEAST:
                    raise
                boots += 1
                say(f"{error}\nlab: {known.summary()}; boots again for the rest")
        known = notes.read(folder / "notes")
        if boots > 1:
            say(f"over {boots} boots: {known.summary()}")
            # A last boot in which nothing was left to do has no tests, which pytest calls 5.
            code = 1 if known.failed else 0 if code == _NO_TESTS else code
        say(
            f"ended with {code} after {time.monotonic() - began:.0f} s; "
            f"{'' if options.shell else f'{log_of(options)} and other logs are in {options.results}'}".rstrip("; ")
        )
        return code
    finally:
        if options.keep:
            say(f"kept {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def boot(options: argparse.Namespace, arguments: tuple[str, ...], image: host.Image, stage: Path, until: float, known: notes.Notes) -> int:
    """Boot once, for what has not ended yet, and return the code that came back."""
    folder = stage.parent
    (folder / "results.tar").unlink(missing_ok=True)
    started = time.monotonic()
    minutes = "" if options.shell else f"{(until - started) / 60:g}"
    mode: load.Mode = "shell" if options.shell else "reboots" if options.reboots else "tests" if options.run is None else "run"
    disk = load.pack(stage, load.Order(ROOT, mode, arguments, minutes), known.ended)
    say(f"packed the disk of this boot in {time.monotonic() - started:.0f} s")
    wanted = machine.Machine(image, disk, folder, options.memory, options.cpus, shell=options.shell, reboots=options.reboots)
    try:
        machine.run(wanted, options.accel, until - time.monotonic(), caches.cache_folder() / "lab", told=say)
    finally:
        machine.bring_back(folder, options.results, log_of(options))
    return machine.read_code(options.results)


def choose(options: argparse.Namespace, arguments: list[str]) -> tuple[str, ...]:
    """Return what is run inside: the command, or the arguments of pytest. Tests that reboot the host rest on those before them."""
    if options.run is not None:
        return tuple(arguments)
    if options.reboots:
        return ("-x", *load.complete(ROOT, tuple(arguments), load.REBOOTING))
    return load.complete(ROOT, spread(arguments, options.cpus))


def log_of(options: argparse.Namespace) -> str:
    """Return the name of the file with what was printed."""
    return "pytest.log" if options.run is None else "output.log"


def spread(arguments: list[str], cpus: int) -> tuple[str, ...]:
    """Spread the whole suite over the processors, file by file; explicit choices of tests and options win."""
    picks = any(one.startswith(("-n", "-x", "-k", "--pdb", "--maxfail")) for one in arguments) or load.name_files(ROOT, tuple(arguments))
    return tuple(arguments) if picks or cpus < 2 else (*arguments, "-n", str(cpus), "--dist", "loadfile")


def may_go_on(before: notes.Notes, known: notes.Notes) -> bool:
    """Tell whether another boot makes sense: when the last one got somewhere, or fell over a test for the first time."""
    return len(known.ended) > len(before.ended) or sum(known.falls.values()) == 1


class Lacking(Exception):
    """The lab needs what this machine has not."""


def find_lacking() -> list[Program]:
    """Return the programs that are missing."""
    if os.uname().machine != "x86_64":
        raise Lacking("the lab is an x86-64 machine and boots on such machines only")
    return programs.missing(NEEDED)


def install(lacking: list[Program]) -> None:
    """Install what is missing as scripts/setup does: with apt for root, else somebody has to be asked."""
    names = ", ".join(f"`{one.name}`" for one in lacking)
    packages = sorted({one.package for one in lacking})
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Lacking(f"{names} missing: run `apt-get install {' '.join(packages)}` as root on a Debian, then scripts/lab again")
    say(f"installing {' '.join(packages)} with apt")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    try:
        try:
            subprocesses.run(command, timeout=900, environment=environment)
        except subprocesses.CommandError:
            # A fresh image has no package lists; an old one has lists that name files which are gone.
            subprocesses.run(["apt-get", "update", "-qq"], timeout=300, environment=environment)
            subprocesses.run(command, timeout=900, environment=environment)
    except subprocesses.CommandError as error:
        raise Lacking(f"{names} missing, and apt could not help: {error}") from error


def say(text: str) -> None:
    """Talk on stderr; stdout is for what the tests print."""
    print(f"lab: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
