"""The crash campaign over real steps: kill an apply while it makes networks, disks and seeds, let the next command go on, and look.

One world lives through three applies: everything is created, then changed, then destroyed. Each of them may be struck once; afterwards the
next command completes it (or takes it back, and then it is applied again). World, files, records and slices are then compared as a whole
with those of a run that nobody disturbed, and a plan must have nothing to do; in the end the host must be as it was in the beginning.

Used by `test_real_crash_campaign.py` and by `bench/crash_real.py`. How processes are forked and killed is the other campaign's, which
strikes at the engine's own points on the simulator.
"""

import contextlib
import gzip
import hashlib
import importlib
import io
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from herocloud.apply import directions
from herocloud.providers.images import driving as images
from herocloud.providers.network import driving as networks
from herocloud.providers.qemu import driving as machines
from herocloud.state import store as states
from tests.providers.network import dumps

MIB = 1024**2
HEAVY = ("pyroute2", "httpx", "pycdlib", "herocloud.providers.network.taps", "herocloud.providers.images.network_config")
"""Imported before anybody forks, so that not every child pays for it."""

_POINTS = (*images.FAULT_POINTS, *networks.FAULT_POINTS, *machines.FAULT_POINTS)

CREATE = """\
stack: shop
images:
  debian: {source: "http://127.0.0.1:8080/debian.raw", sha256: SHA-OF-debian.raw, format: raw}
  spare: {source: "http://127.0.0.1:8080/spare.raw.gz", sha256: SHA-OF-spare.raw.gz, format: raw, decompress: gzip}
networks:
  lan: {cidr: 10.42.0.0/24, nat: true, forward: [{host_port: 8081, vm: "web[0]", port: 80}]}
  side: {cidr: 10.43.0.0/24, isolated: true}
volumes:
  data: {size: 64 MiB}
  logs: {size: 64 MiB}
vms:
  web:
    {count: 2, image: debian, memory: 1 GiB, root_disk: {size: 64 MiB}, env: {GREETING: hello},
     networks: [{network: lan, rate: {download: 100 Mbit/s, upload: 50 Mbit/s}}]}
  db: {image: spare, memory: 1 GiB, root_disk: {size: 64 MiB}, networks: [lan, side], volumes: [{volume: data}]}
  off: {image: debian, memory: 1 GiB, root_disk: {size: 64 MiB}, networks: [side], state: stopped}
"""

CHANGE = """\
stack: shop
images:
  debian: {source: "http://127.0.0.1:8080/debian.raw", sha256: SHA-OF-debian.raw, format: raw}
  new: {source: "http://127.0.0.1:8080/new.raw", sha256: SHA-OF-new.raw, format: raw}
networks:
  lan: {cidr: 10.42.0.0/24, isolated: true, forward: [{host_port: 8082, vm: "web[0]", port: 80, protocol: udp}]}
  more: {cidr: 10.44.0.0/24, nat: true}
volumes:
  data: {size: 96 MiB}
vms:
  web:
    {count: 1, image: debian, memory: 1 GiB, root_disk: {size: 96 MiB}, env: {GREETING: goodbye},
     networks: [{network: lan, rate: {download: 10 Mbit/s}}, more]}
  db: {image: new, memory: 1 GiB, root_disk: {size: 64 MiB}, networks: [lan], volumes: [{volume: data}]}
  off: {image: debian, memory: 1 GiB, root_disk: {size: 96 MiB}, state: stopped}
  fresh: {image: new, memory: 1 GiB, root_disk: {size: 64 MiB}, networks: [more]}
"""

EMPTY = "stack: shop\n"
STAGES = {"create": CREATE, "change": CHANGE, "destroy": EMPTY}


class Strike(NamedTuple):
    """How one of the three applies is struck."""

    stage: str
    blow: Any
    """Of the other campaign: a named point or an instant, and perhaps a point at which the resume dies too."""
    back: bool = False
    """It is taken back, and applied once more."""
    stall: bool = False
    """The server keeps the second half of a download to itself, and the process dies waiting for it."""


class Struck(NamedTuple):
    """What came of the strikes at one world."""

    kills: int
    problems: tuple[str, ...]


class Campaign:
    """What an undisturbed run comes to at every stage, and worlds to strike at."""

    def __init__(self, folder: Path, crashing: Any, real: Any, hypervisor: str | None = None) -> None:
        """`crashing` is the other campaign, `real` the module with namespaces and sites."""
        for name in HEAVY:
            importlib.import_module(name)
        self._folder, self._crashing, self._real, self._hypervisor = folder, crashing, real, hypervisor
        self._numbers = itertools.count(1)
        self._files = folder / "served"
        self.stages = {name: self._filled(text) for name, text in STAGES.items()} if serve(self._files) else {}
        self._start = folder / "start"
        self._start.mkdir()
        for text in self.stages.values():
            # What reading a stack loads is loaded once, here.
            (self._start / "stack.yaml").write_text(text)
            real.stacks.load([str(self._start / "stack.yaml")], host=real.HOST)
        # One state for all worlds: marks and MACs of the host hold its identity.
        with states.open_state(self._start, write=True):  # type: ignore[union-attr]
            pass
        self.kinds: dict[str, list[str]] = {}
        self.expected: dict[str, Any] = {}
        with self._world() as (within, _):
            self.expected["nothing"] = crashing.require(within(look))
            for name, text in self.stages.items():
                began = time.monotonic()
                self.kinds[name] = crashing.require(within(lambda site, text=text: _apply(site, text)))
                self.takes = max(getattr(self, "takes", 0.0), time.monotonic() - began)
                self.expected[name] = crashing.require(within(look))
            self.problems_of_itself = self._differences("destroy", self.expected["nothing"], host_only=True)

    def _filled(self, text: str) -> str:
        for path in self._files.iterdir():
            text = text.replace(f"SHA-OF-{path.name},", hashlib.sha256(path.read_bytes()).hexdigest() + ",")
        return text

    @contextlib.contextmanager
    def _world(self) -> Iterator[tuple[Callable[..., Any], Path]]:
        """Make a host with an empty state, and give a function that runs something in it, in a child that a blow may kill."""
        folder = self._folder / f"world-{next(self._numbers)}"
        shutil.copytree(self._start, folder)
        namespace = self._real.Namespace(self._files)

        def begin(work: Callable[[Any], Any], blow: Any = None) -> Any:
            def inside() -> Any:
                namespace.enter()
                return work(self._real.Site(folder, self._hypervisor))

            return self._crashing.start(inside, blow)

        def within(work: Callable[[Any], Any], blow: Any = None) -> Any:
            return self._crashing.collect(begin(work, blow))

        within.begin = begin  # type: ignore[attr-defined]
        try:
            yield within, folder
        finally:
            for one in self._real.Site(folder, self._hypervisor or "none").processes():
                os.kill(one, signal.SIGKILL)
            namespace.close()
            shutil.rmtree(folder)

    def strike(self, strikes: Sequence[Strike]) -> Struck:
        """Let one world live through its three applies, each struck by the strike that names it."""
        planned = {one.stage: one for one in strikes}
        kills, problems, before = 0, [], "nothing"
        with self._world() as (within, folder):
            for name, text in self.stages.items():
                strike = planned.get(name)
                died = 0 if strike is None else self._hit(within, folder, strike, text)
                kills += died
                back = strike is not None and strike.back
                ended = within(lambda site, text=text, back=back: _finish(site, text, back=back))
                if ended.error is None and ended.value.how == "taken back":
                    problems += [f"taken back to {before}: {one}" for one in self._differences(before, ended.value.found, cached=True)]
                    ended = within(lambda site, text=text: _finish(site, text, back=False))
                if ended.error is not None:
                    problems.append(f"{name}: going on failed: {ended.error}")
                    break
                problems += [f"{name}: {one}" for one in self._differences(name, ended.value.found)]
                problems += [f"{name}: the plan afterwards wants to change {ended.value.left}"] if ended.value.left else []
                before = name
        return Struck(kills, tuple(problems))

    def _hit(self, within: Any, folder: Path, strike: Strike, text: str) -> int:
        """Strike one apply, and its resume where the blow says so; returns how many processes died."""

        def work(site: Any) -> None:
            _apply(site, text)

        if strike.stall:
            (self._files / "stall").touch()
            child = within.begin(work)
            _wait_for(lambda: any(one.stat().st_size for one in (folder / "images" / "downloads").glob("*") if one.is_file()))
            os.kill(child.pid, signal.SIGKILL)
            ended = self._crashing.collect(child)
            (self._files / "stall").unlink(missing_ok=True)
        else:
            ended = within(work, strike.blow)
        if not ended.killed:
            assert ended.error is None, ended.error
            return 0
        if strike.blow is None or strike.blow.again is None:
            return 1
        again = within(lambda site: _finish(site, text, back=strike.back) and None, type(strike.blow)(strike.blow.again))
        return 1 + again.killed

    def _differences(self, name: str, found: Mapping[str, Any], *, cached: bool = False, host_only: bool = False) -> list[str]:
        """Say how a world differs from the expected one; `cached` allows what was fetched to be still there."""
        expected = self.expected[name]
        if host_only:
            return list(dumps.differences(expected["host"], found["host"]))
        lines = list(dumps.differences(expected, found))
        return [line for line in lines if not (cached and line.startswith(("/files/images/store/", "/tombstones")))]

    # What to strike at.

    def strikes(self, *, thorough: bool = False) -> list[Strike]:
        """Name what to strike at: the middle of every kind of real step, forward and on the way back; or every point at every stage."""
        made = [Strike("create", None, stall=True), Strike("create", None, stall=True, back=True), Strike("change", None, stall=True)]
        for stage, kinds in self.kinds.items():
            for kind in kinds:
                made += self._strikes_at(stage, kind, thorough=thorough)
        blow = self._crashing.Blow
        for stage in self.kinds:
            effects = range(1, 200, 3) if thorough else (7, 24)
            made += [Strike(stage, blow("network.effect", number), back=bool(number % 2)) for number in effects]
        return made if thorough else _once(made)

    def _strikes_at(self, stage: str, kind: str, *, thorough: bool) -> Iterator[Strike]:
        blow = self._crashing.Blow
        found = next((name.partition(".")[0] for name in _POINTS if name.partition(".")[2].startswith(f"{kind}.")), None)
        if found is None or (found == "qemu" and self._hypervisor is None):
            return
        for point in _named(f"{found}.{kind}.", thorough=thorough):
            for nth in (1, 2, 3) if point.endswith(".half") and thorough else (1,):
                yield Strike(stage, blow(point, nth))
        for point in _named(f"{found}.undo.{kind}.", thorough=thorough):
            yield Strike(stage, blow(f"{found}.{kind}.after", again=point), back=True)
        if thorough:
            for point in directions.STEP_POINTS:
                yield Strike(stage, blow(f"{point}:{kind}"))
                yield Strike(stage, blow(f"{point}:{kind}"), back=True)

    def random_strikes(self, count: int, seed: int) -> list[Strike]:
        """Choose stages and instants at random."""
        chance = random.Random(seed)
        return [
            Strike(chance.choice(list(STAGES)), self._crashing.Blow(after=chance.uniform(0.01, self.takes)), back=chance.random() < 0.3)
            for _ in range(count)
        ]


class Finished(NamedTuple):
    """What the next command came to."""

    how: str
    found: dict[str, Any]
    left: list[str]
    """What a plan would change then."""


def _finish(site: Any, text: str, *, back: bool) -> Finished:
    """Do what the next command does, finish or take back what was begun, or begin; and look at what came of it."""
    how = "applied"
    if states.read_recorded(site.folder).unfinished:
        result = site.resume(rollback=back)
        assert not result.failed, [outcome for outcome in result.outcomes if outcome.error]
        how = "taken back" if result.rolled_back else "completed"
    elif site.plan(text).changing:
        _apply(site, text)
    return Finished(how, look(site), [] if how == "taken back" else [one.address for one in site.plan(text).changing])


def rounds(strikes: Sequence[Strike]) -> list[list[Strike]]:
    """Put strikes at different stages together, so that one world serves three."""
    by_stage = [[one for one in strikes if one.stage == stage] for stage in STAGES]
    return [[one for one in several if one is not None] for several in itertools.zip_longest(*by_stage)]


def _named(prefix: str, *, thorough: bool) -> list[str]:
    """Name the points of one way of one kind of step; those in its middle, if it has any, or all."""
    mine = [name for name in _POINTS if name.startswith(prefix)]
    middle = [name for name in mine if not name.endswith((".before", ".after"))]
    return mine if thorough else middle or [name for name in mine if name.endswith(".after")]


def _once(strikes: Sequence[Strike]) -> list[Strike]:
    """Keep each strike once, at the stage with the fewest of those at which it can hit: so a world serves as many as it can."""
    stages: dict[tuple[Any, ...], list[Strike]] = {}
    for one in strikes:
        stages.setdefault((one.blow, one.back, one.stall), []).append(one)
    counts = dict.fromkeys(STAGES, 0)
    kept = []
    for several in sorted(stages.values(), key=len):
        chosen = min(several, key=lambda one: counts[one.stage])
        counts[chosen.stage] += 1
        kept.append(chosen)
    return kept


def _apply(site: Any, text: str) -> list[str]:
    """Plan and apply, which must succeed; returns the kinds of steps that there were."""
    result = site.apply(text)
    assert not result.failed, [outcome for outcome in result.outcomes if outcome.error]
    return list(dict.fromkeys(outcome.kind for outcome in result.outcomes))


def look_at_host(run: Callable[[str], str] | None = None, *, owners: bool = True) -> dict[str, Any]:
    """Write down what networks could leave behind, without what counts by itself; `run` runs a script on another host."""
    from_sysctl = ("/nf_conntrack_count:", "/rt_cache")
    host = dumps.read((run or _run_here)(dumps.SCRIPT))
    host["settings"] = [line for line in host["settings"] if not any(word in line for word in from_sysctl)]
    for link in [] if owners else host["links"].values():
        # Each VM has a user of its own, which follows from the folder that it is in.
        owner = link.get("linkinfo", {}).get("info_data", {})
        owner.update({key: "its own" for key in ("user", "group") if owner.get(key)})
    return host


def _run_here(script: str) -> str:
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False).stdout


def look(site: Any) -> dict[str, Any]:
    """Write down everything there is, without what may differ between two runs that did the same."""
    host = look_at_host(owners=False)
    recorded = states.read_recorded(site.folder)
    with states.open_state(site.folder, write=False) as store:  # type: ignore[union-attr]
        assignments = dict(store.assignments())
    return {
        "host": host,
        "files": dict(_files(site.folder)),
        "tombstones": sorted(json.loads(path.read_text())["address"] for path in site.folder.glob("tombstones/*/note.json")),
        "machines": site.machines(),
        "processes": len(site.processes()),
        "records": {stack: dict(records) for stack, records in recorded.records.items() if records},
        "assignments": assignments,
    }


def _files(folder: Path) -> Iterator[tuple[str, Any]]:
    """Name every file of images, VMs and volumes with its content, as far as that is ours to say."""
    for path in sorted(one for name in ("images", "vms", "volumes") for one in (folder / name).rglob("*") if one.is_file()):
        name = str(path.relative_to(folder))
        # Locks are empty files that stay, an old seed is kept for undoing the step that replaced it, as long as no other step came, and
        # what was read of files is remembered beside the images.
        if not name.startswith(("images/locks/", "images/digests.json")) and path.name != "seed.old.iso":
            if "/vmm/" in name:
                # The mark and the process of a machine, which hold numbers of this very process.
                yield name, None
                continue
            yield name, _said(path) if path.suffix in (".mark", ".json") else _seed(path) if path.suffix == ".iso" else _content(path)


def _said(path: Path) -> Any:
    """Read a small file of ours, without times, serials and what files are known by, and without what undoing the step before needs."""

    def timeless(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            key: timeless(one)
            for key, one in value.items()
            if key not in ("fetched", "untouched", "grown_from", "old", "stamps", "stamp", "file", "serial")
        }

    return timeless(json.loads(path.read_text()))


def _seed(path: Path) -> dict[str, str]:
    """Read what a seed says; around it an ISO holds the time it was made at."""
    import pycdlib

    iso, found = pycdlib.PyCdlib(), {}
    iso.open(str(path))
    for name in ("meta-data", "user-data", "network-config"):
        content = io.BytesIO()
        iso.get_file_from_iso_fp(content, joliet_path=f"/{name}")
        found[name] = content.getvalue().decode()
    iso.close()
    return found


def _content(path: Path) -> str:
    """Return the size and a digest of the data of a file, without reading its holes."""
    digest, size, at = hashlib.blake2b(digest_size=8), path.stat().st_size, 0
    with path.open("rb") as stream:
        while at < size:
            try:
                at = os.lseek(stream.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            block = os.pread(stream.fileno(), MIB, at)
            # File systems tell of holes in blocks of their own size, so zeros count for nothing wherever they are.
            digest.update(b"" if not any(block) else block.rstrip(b"\0"))
            at += len(block)
    return f"{size} {digest.hexdigest()}"


def serve(folder: Path) -> bool:
    """Put images where the server finds them: noise in front, holes behind."""
    folder.mkdir(parents=True)
    for number, name in enumerate(("debian.raw", "spare.raw", "new.raw")):
        content = random.Random(number).randbytes(3 * MIB) + bytes(5 * MIB)
        if name == "spare.raw":
            (folder / f"{name}.gz").write_bytes(gzip.compress(content, 1, mtime=0))
        else:
            (folder / name).write_bytes(content)
    return True


def _wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        os.sched_yield()
