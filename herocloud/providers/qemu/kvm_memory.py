"""What is remembered of KVM on this host: how the trial ended, and what real guests showed since.

Two files in the cache folder, under keys of what they depend on. The trial holds for one boot of one kernel: a host that is a VM itself may
start on another machine next time, and a trial takes a second. What guests show costs somebody a machine that hangs, so it outlives a
reboot and ends with the kernel, the KVM module, the microcode or QEMU.

A guest that got as far as its agent under KVM speaks for it as long as this boot lasts: where others run, one that fails tells something
about itself and not about the host.
"""

import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import caches, durable_files, jsons
from herocloud.kits.jsons import Json
from herocloud.providers.qemu import kvm_trial
from herocloud.providers.qemu.kvm_trial import Trial

_DOUBT = 600.0
"""Seconds for which a doubt is not looked into again, so that not every plan on a troubled host pays for a trial."""
_VERSION = "trial 1"


class Witness(NamedTuple):
    """A guest that showed that KVM cannot be relied on."""

    address: str
    what: str
    """What its VM did: `was stopped by KVM with an internal error`."""
    at: float


def recall(program: str) -> Trial | None:
    """Return how the trial ended; nothing when there was none, or only an old doubt."""
    known = _read_json(_trial_file(program))
    try:
        trial = Trial(str(known["verdict"]), str(known["why"]), float(known["seconds"]))
        age = time.time() - float(known["at"])
    except (ValueError, KeyError, TypeError):
        return None
    if trial.verdict in (kvm_trial.WORKS, kvm_trial.FAILS):
        return trial
    return trial if trial.verdict == kvm_trial.UNSURE and 0 <= age < _DOUBT else None


def remember(program: str, trial: Trial) -> None:
    """Keep how the trial ended."""
    _write_json(_trial_file(program), {**trial._asdict(), "at": time.time()})


def witness(program: str) -> Witness | None:
    """Return the guest that speaks against KVM; nothing while another one of this boot speaks for it."""
    known = _read_json(guests_file(program))
    try:
        against = Witness(**known["against"])
    except (KeyError, TypeError):
        return None
    return None if known.get("worked") == _boot() else against


def note_failure(program: str, address: str, what: str) -> None:
    """Keep that a guest failed under KVM as guests fail only where KVM does."""
    known = _read_json(guests_file(program))
    if "against" not in known:
        _write_json(guests_file(program), {**known, "against": Witness(address, what, time.time())._asdict()})


def note_success(program: str) -> None:
    """Keep that a guest got to user space under KVM in this boot."""
    known = _read_json(guests_file(program))
    if known.get("worked") != _boot():
        _write_json(guests_file(program), {**known, "worked": _boot()})


def guests_file(program: str) -> Path:
    """Return the file that holds what guests showed; without it KVM has its chance again."""
    return caches.cache_folder() / "kvm" / f"guests-{jsons.digest(_facts(program))}.json"


def _trial_file(program: str) -> Path:
    return caches.cache_folder() / "kvm" / f"{jsons.digest([_VERSION, _boot(), *_facts(program)])}.json"


def _facts(program: str) -> list[Json]:
    """Name what the ability of KVM depends on; the program is known by size and age, because asking it for its version takes a process."""
    real = Path(program).resolve()
    state = real.stat()
    host = [platform.release(), platform.version(), _processor(), _modules()]
    return [*host, str(real), state.st_size, state.st_mtime_ns]


def _boot() -> str:
    return _read("/proc/sys/kernel/random/boot_id").strip()


def _processor() -> str:
    lines = _read("/proc/cpuinfo").splitlines()
    return "\n".join(line for line in lines[:30] if line.startswith(("vendor_id", "model", "stepping", "microcode", "flags")))


def _modules() -> list[str]:
    """Name the modules of KVM with their parameters: one that was loaded again with others may behave in another way."""
    return [f"{path}={_read(str(path))}" for path in sorted(Path("/sys/module").glob("kvm*/parameters/*"))]


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _read_json(path: Path) -> Mapping[str, Json]:
    try:
        known = jsons.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write_json(path: Path, known: Mapping[str, Json]) -> None:
    try:
        caches.make_folder(path.parent)
        durable_files.write_durably(path, jsons.dumps(dict(known)).encode(), 0o644)
    except OSError:
        # A cache that cannot be written costs the time of another trial, and nothing else.
        return
