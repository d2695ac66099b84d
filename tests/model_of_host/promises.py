"""What a plan promises, held against what happened on the model of the host.

Nothing here asks the planner anything. A promise is a value that stands in the plan (an action, a downtime, a level, a note); what happened
is taken from the effects, the identities and the clock of the model.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from herocloud.model.outcomes import Result
from herocloud.model.plans import Change, Plan
from herocloud.model.words import Action, Impact, Status
from tests.model_of_host.machines import BESIDE, DATA, GIB, Effect, Machines, Usage

QUIET = {"changed", "data made"}
"""What every change may do to its thing: it takes nothing away and interrupts nobody."""
PREPARES = {
    "image.fetch", "disk.prepare", "seed.prepare", "volume.create", "network.create", "overlay.enable", "peer.add",
}  # fmt: skip
"""Steps that touch nothing that runs: a change of which only these ran has not begun."""
_SWITCHES = {"up", "down", "paused"}
_MACHINE = {"comes", "goes", *_SWITCHES}
BACK = {
    "comes": "goes", "goes": "comes", "up": "down", "down": "up", "paused": "up", "data made": "purged", "data goes": "data back",
    "changed": "changed", "renamed": "renamed", "purged": "purged", "stayed up": "stayed up", "data back": "data goes",
}  # fmt: skip
"""What an effect turns into when it is taken back."""


def allowed(change: Change, plan: Plan) -> set[str]:
    """Return what may happen to the thing at an address whose plan says this."""
    loses = change.impact is Impact.DATA
    lost = ({"purged"} if plan.purge or "destroyed at once" in change.note else {"data goes"}) if loses else set()
    by_action = {
        Action.NO_OP: set(),
        Action.FORGET: set(),
        Action.CREATE: QUIET | {"comes", "up", "paused"},
        Action.UPDATE: QUIET | {"up"},
        Action.ADOPT: QUIET | {"up"},
        Action.MOVE: set(),
        Action.STOP: QUIET | {"down", "paused"},
        Action.REBOOT: QUIET | _SWITCHES,
        Action.REPLACE: QUIET | _MACHINE | lost,
        Action.DELETE: {"changed", "goes", "down"} | lost,
    }
    found: set[str] = set(by_action[change.action])
    if "down" in found:
        # A guest that is told to shut down and goes on, because whoever told it was cut off.
        found.add("stayed up")
    if "comes back" in change.note or (plan.operation == "undo" and change.action is Action.CREATE):
        found.add("data back")
    if change.action is Action.UPDATE and (change.after or {}).get("state") == "paused":
        # It was off, and is to be paused: it boots first.
        found.add("paused")
    return found | ({"renamed"} if change.previous_address or stray_of(change) else set())


_CALLED = re.compile(r"on the host it is called `([^`]+)`")


def stray_of(change: Change) -> str | None:
    """Return the name that the plan says a thing has on the host, other than in its record: a rename whose answer got lost gave it that."""
    named = next((str(field.before) for field in change.fields if field.path == "name" and field.drift), None)
    called = _CALLED.search(change.note)
    return named or (called[1] if called else None)


def taken_back(effects: Iterable[str]) -> set[str]:
    """Return what may happen when these are taken back."""
    found = {BACK[effect] for effect in effects}
    # A machine that was paused comes back by being booted and paused; one that was made again is booted.
    found |= {"paused", "up"} if found & {"up", "comes", "down"} else set()
    return found | ({"stayed up"} if "down" in found else set())


class Was(NamedTuple):
    """A thing at the beginning."""

    parts: Mapping[str, Any]
    identity: Mapping[str, str]


class Before(NamedTuple):
    """The host before an apply."""

    things: Mapping[str, Was]
    graves: frozenset[str]
    usage: Usage
    slices: int
    moment: float
    effects: int
    """How many effects there were by then."""
    whole: bool
    """Whether everything that is recorded was there and nothing half made."""
    torn: int = 0
    """How many bytes of disk were half made, which nobody sees."""


def look(machines: Machines, stack: str, moment: float, slices: int, *, whole: bool) -> Before:
    things = {thing.address: Was(dict(thing.parts), dict(thing.identity)) for thing in machines.of(stack) if thing.parts}
    graves = frozenset(grave.identity for grave in machines.graves)
    torn = sum(size for thing in machines.things.values() for _, size in thing.halves.values())
    return Before(things, graves, machines.usage(), slices, moment, len(machines.effects), whole, torn)


class Course(NamedTuple):
    """One apply as far as it got."""

    plan: Plan
    before: Before
    machines: Machines
    slices: tuple[int, ...]
    """How many slices were assigned after each transaction."""
    back: bool
    """Whether any part of it was taken back."""

    @property
    def effects(self) -> list[Effect]:
        return [effect for effect in self.machines.effects[self.before.effects :] if effect.stack == self.plan.stack]

    def changes(self) -> Mapping[str, Change]:
        return {change.address: change for change in self.plan.changes}

    def at(self, change: Change) -> list[Effect]:
        names = (change.address, change.previous_address, stray_of(change))
        return [effect for effect in self.effects if effect.address in names]


def broken_always(course: Course) -> Iterator[str]:
    """Find promises that hold at every moment, however the apply goes."""
    yield from _touched(course)
    yield from _peaks(course)
    if not course.back:
        yield from _interrupted_too_early(course)


def _touched(course: Course) -> Iterator[str]:
    by_address: dict[str, Change] = {}
    for change in course.plan.changes:
        by_address[change.address] = change
        by_address.setdefault(change.previous_address or stray_of(change) or change.address, change)
    for effect in course.effects:
        change = by_address.get(effect.address)
        if change is None:
            yield f"{effect.what} at {effect.address}, of which the plan says nothing"
            continue
        may = allowed(change, course.plan)
        if course.back:
            may |= taken_back(may)
        if effect.what not in may:
            yield f"{effect.what} at {effect.address}, and the plan says {change.action.value} ({change.impact.name})"


def _peaks(course: Course) -> Iterator[str]:
    told = course.plan.capacity
    for name, most in course.machines.peak._asdict().items():
        if most > getattr(told, name).peak:
            yield f"{name} rose to {most}, and the plan says at most {getattr(told, name).peak}"
    most = max(course.slices, default=0)
    if most > told.slices.peak:
        yield f"{most} slices were held, and the plan says at most {told.slices.peak}"


def _interrupted_too_early(course: Course) -> Iterator[str]:
    """Find machines that went down while something was still to be fetched, although the fetch waited for no machine."""
    behind: set[str] = set()
    fetches = set()
    for step in course.plan.steps:
        if behind & set(step.needs) or step.kind in {"vm.stop", "vm.delete", "vm.detach"}:
            behind.add(step.id)
        elif step.kind == "image.fetch":
            fetches.add(step.address)
    for effect in course.effects:
        if effect.part == "image":
            fetches.discard(effect.address)
        elif effect.what == "down" and fetches:
            yield f"{effect.address} went down while {sorted(fetches)} was not fetched"


def broken_when_done(course: Course, *, whole: bool) -> Iterator[str]:
    """Find promises about the end that an apply which came to its end has broken."""
    plan, machines = course.plan, course.machines
    usage = machines.usage()
    for name in Usage._fields:
        level = getattr(plan.capacity, name)
        was, now = getattr(course.before.usage, name), getattr(usage, name)
        # What is promised to a record is counted, whether or not it is there; more than that is never there.
        more = name not in ("network", "disk_io") and was > level.before + course.before.torn
        beginning = more or (course.before.whole and was != level.before)
        if beginning or (now > level.after if not whole else now != level.after):
            happened = f"{was} → {now}"
            yield f"{name}: {happened}, and the plan says {level.before} → {level.after}"
    slices = (course.before.slices, course.slices[-1] if course.slices else course.before.slices)
    if (plan.capacity.slices.before, plan.capacity.slices.after) != slices:
        yield f"slices: {slices}, and the plan says {plan.capacity.slices}"
    for change in plan.changes:
        did = _what_happened(course, change)
        if did not in _says(course, change):
            yield f"{change.address}: {did}, and the plan says {change.action.value} ({change.impact.name})"
        yield from _data(course, change)


def _says(course: Course, change: Change) -> set[str]:
    origin = change.previous_address or stray_of(change)
    named_already = origin is not None and origin not in course.before.things
    if change.action is Action.UPDATE:
        # Of a field that only we keep books about, the host sees nothing, or a new name.
        books = {"nothing", "move"} if origin else {"nothing"}
        return {"update", *books} if change.impact is Impact.NONE or change.kind == "vm" else {"update"}
    if change.action is Action.MOVE and named_already:
        # The thing got its name from an apply that was cut off, and only its record is still to follow.
        return {"move", "nothing"}
    if change.action in (Action.NO_OP, Action.FORGET) or (change.action is Action.DELETE and change.impact is Impact.NONE):
        return {"nothing"}
    return {change.action.value}


def _was(course: Course, change: Change) -> Was | None:
    """Return the thing as it was; one that has its new name already is found there."""
    things = course.before.things
    return things.get(change.previous_address or stray_of(change) or change.address) or things.get(change.address)


def _what_happened(course: Course, change: Change) -> str:
    was = _was(course, change)
    now = course.machines.things.get((course.plan.stack, change.address))
    if was is None or now is None or not now.parts:
        return "delete" if was is not None else "create" if now is not None and now.parts else "nothing"
    changed = [part for part in ("machine", *DATA) if part in was.identity and was.identity[part] != now.identity.get(part)]
    if "machine" in changed and "machine" not in now.parts and all(part not in now.parts for part in changed):
        return "delete"
    if changed:
        return "replace"
    body = "machine" if change.kind == "vm" else None
    if body in now.parts and body not in was.parts:
        return "create"
    words = [effect.what for effect in course.at(change)]
    fell = "down" in words
    rose = "up" in words[words.index("down") :] if fell else "up" in words
    if fell and rose:
        return "reboot"
    if fell or ("paused" in words and not rose):
        return "stop"
    if {"changed", "up"} & set(words):
        return "update"
    return "move" if "renamed" in words else "nothing"


_KEPT = re.compile(r"([\d.]+) GiB of data (?:is kept|is destroyed|comes back, and what was written since is (?:kept|destroyed))")


def _data(course: Course, change: Change) -> Iterator[str]:
    """Find data that was lost or kept against what the plan says."""
    was = _was(course, change)
    if was is None:
        return
    now = course.machines.things.get((course.plan.stack, change.address))
    live = set(now.identity.values()) if now is not None else set()
    kept = {grave.identity for grave in course.machines.graves}
    data = {part: identity for part, identity in was.identity.items() if part in DATA}
    lost = {part for part, identity in data.items() if identity not in live}
    says_lost = change.impact is Impact.DATA
    if lost and not says_lost:
        yield f"the data of {change.address} is lost, and the plan says {change.action.value} ({change.impact.name})"
    if says_lost and data and not lost:
        yield f"the data of {change.address} is still there, and the plan says that it is destroyed"
    at_once = "destroyed at once" in change.note
    for part in lost:
        if (data[part] in kept) == at_once:
            yield f"the {part} of {change.address} is {'kept' if at_once else 'not kept'}, and the plan says {change.note}"
    if at_once and not course.plan.purge and course.plan.operation != "undo":
        yield f"{change.address}: {change.note}, although nobody asked for that"
    told = _KEPT.search(change.note)
    size = sum(was.parts[part]["size"] for part in lost)
    if now is not None and "comes back" in change.note:
        # There the size is that of what comes back.
        size = sum(now.parts[part]["size"] for part, identity in now.identity.items() if identity in course.before.graves)
    if told is not None and round(size / GIB, 1) != float(told[1]):
        yield f"{change.address}: {size} bytes of data are concerned, and the plan says {change.note}"
    if lost and told is None:
        yield f"{change.address}: {size} bytes of data are concerned, and the plan does not say so"


def broken_undisturbed(course: Course, seconds: float) -> Iterator[str]:
    """Find what took longer or shorter than the plan said, in an apply that nothing disturbed."""
    for change in course.plan.changes:
        if change.kind != "vm" or change.action is Action.DELETE:
            continue
        told, was = change.downtime, _downtime(course, change)
        if (told is None) != (was is None) or (told is not None and was is not None and abs(told - was) > 0.02):
            yield f"{change.address} was down for {was} s, and the plan says {told} ({change.action.value})"
    if abs(seconds - course.plan.critical_seconds) > 0.05 + 0.0005 * len(course.plan.steps):
        yield f"it took {seconds:.2f} s, and the plan says {course.plan.critical_seconds:.2f}"


def _downtime(course: Course, change: Change) -> float | None:
    """Measure from the first fall to the last rise; nothing for a machine that served at first and does not at the end."""
    first = last = None
    for effect in course.at(change):
        if effect.what == "down" and first is None:
            first = effect.moment
        elif effect.what == "up" and first is not None:
            last = effect.moment
    if first is None:
        words = [effect.what for effect in course.at(change)]
        return None if "paused" in words and "up" not in words else 0.0
    return None if last is None else last - first


def broken_when_taken_back(course: Course) -> Iterator[str]:
    """Find what is not as it was before an apply that was taken back as a whole."""
    now = {thing.address: Was(dict(thing.parts), dict(thing.identity)) for thing in course.machines.of(course.plan.stack) if thing.parts}
    for address in sorted({*course.before.things, *now}):
        was, found = course.before.things.get(address), now.get(address)
        if found is None and was is not None and all(part.endswith(BESIDE) for part in was.parts):
            # What was prepared and is of no use is gone for good.
            continue
        if was is None or found is None:
            yield f"{address} is {'left over' if found else 'missing'} after it was taken back"
            continue
        useless = {part for part in was.parts if part.endswith(BESIDE) and part not in found.parts}
        different = [part for part in {*was.parts, *found.parts} - useless if was.parts.get(part) != found.parts.get(part)]
        if different:
            yield f"{address} is not as before after it was taken back: {different}"
        if [was.identity.get(part) for part in DATA] != [found.identity.get(part) for part in DATA]:
            yield f"the data of {address} is not the data from before"
    graves = {grave.identity for grave in course.machines.graves}
    if graves != course.before.graves:
        yield f"kept data differs after it was taken back: {graves ^ course.before.graves}"


def begun_too_late(plan: Plan, result: Result) -> Iterator[str]:
    """Find changes of running machines that began after the first failure, although nothing that had begun needed them."""
    failed = [outcome for outcome in result.outcomes if outcome.status is Status.FAILED]
    if not failed:
        return
    moment = min(outcome.ended for outcome in failed)
    acted = [outcome for outcome in result.outcomes if outcome.status in (Status.DONE, Status.FAILED) and outcome.kind not in PREPARES]
    wanted = {outcome.address for outcome in acted if outcome.started <= moment}
    steps = {step.id: step for step in plan.steps}
    frontier = list(wanted)
    while frontier:
        address = frontier.pop()
        needs = {steps[need].address for step in plan.steps if step.address == address for need in step.needs if need in steps}
        frontier += needs - wanted
        wanted |= needs
    for outcome in acted:
        if outcome.address not in wanted:
            yield f"{outcome.step} began {outcome.started - moment:.2f} s after the first failure"


def half_made(plan: Plan, result: Result) -> Iterator[str]:
    """Find steps of changes that had begun and that could have run, after a failure that nobody interrupted."""
    failed = {outcome.step for outcome in result.outcomes if outcome.status is Status.FAILED}
    ran = {outcome.step for outcome in result.outcomes if outcome.status in (Status.DONE, Status.FAILED)} | result.earlier
    begun = {step.address for step in plan.steps if step.id in ran and step.kind not in PREPARES}
    behind = set(failed)
    for step in plan.steps:
        if behind & set(step.needs):
            behind.add(step.id)
    for outcome in result.outcomes:
        if outcome.status is Status.SKIPPED and outcome.address in begun and outcome.step not in behind:
            yield f"{outcome.step} could have run, and {outcome.address} was begun"
