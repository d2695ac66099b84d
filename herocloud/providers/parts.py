"""What every driver repeats: comparing what is there with the part before and after a step, and deciding what that means.

A provider supplies for each kind of part how to look, make, change and drop it (`Parts`). `PartsDriver` makes a driver of that: it leaves
alone what is done, goes on with what is half-way, and refuses what is somebody else's or was changed by somebody else. A driver that has
to look and act in one transaction of its own (the simulator) uses the judgements alone.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Protocol

from herocloud.kits import faults, jsons
from herocloud.kits.jsons import Part
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.errors import Conflict, Permanent
from herocloud.model.steps import Step
from herocloud.providers.seam import Found, Probe, Work

Half = Callable[[], None]
"""Called wherever a step can be torn, so that a test may make the process die there."""


class Seen(NamedTuple):
    """One part as it is now."""

    current: Part
    """The part in the shape of plans; nothing when it is not there."""
    lineage: str | None = None
    """The state that it belongs to; nothing where there is nothing."""
    half: str | None = None
    """A word for the work that has begun on it and is not known to have ended."""
    stray: str | None = None
    """What else lies where the part would be, in words: somebody else's."""
    litter: bool = False
    """Something lies there that was begun and did not get as far as a mark."""
    lost: bool = False
    """What was to be destroyed is, and only the mark is left to say so."""
    beside: tuple[str, ...] | None = None
    """The parts that there are at this address, for a message; nothing where the provider does not see all of them."""


class Parts(Protocol):
    """A kind of part: what it takes to look at one and to bring it about.

    Each call leaves the mark as the last thing that it writes, calls `half` where it can be torn, and may be called again after a crash.
    Subclass it: undoing is the way back, unless a kind has a better one.
    """

    def look(self, work: Work) -> Seen:
        """Look at what is there."""
        ...

    def make(self, work: Work, half: Half) -> None:
        """Make the part that `after` describes; what is there of it is a half-made one."""
        ...

    def change(self, work: Work, before: Part, half: Half) -> None:
        """Turn what is there into `after`; `before` is what it is now."""
        ...

    def drop(self, work: Work, half: Half) -> None:
        """Take the part away, keeping data in a tombstone unless the work purges."""
        ...

    def unmake(self, work: Work, half: Half) -> None:
        """Take back a making, whole or half."""
        self.drop(reverse(work), half)

    def unchange(self, work: Work, half: Half) -> None:
        """Take back a change, whole or half."""
        self.change(reverse(work), work.step.after, half)

    def restore(self, work: Work, half: Half) -> None:
        """Take back a drop, whole or half."""
        self.make(reverse(work), half)

    def sweep(self, work: Work) -> None:  # noqa: ARG002  (the name is part of the contract)
        """Remove what a try left that did not get as far as a mark."""
        return


class PartsDriver:
    """A driver made of kinds of parts; many threads may use it when its kinds allow it."""

    def __init__(self, name: str, kinds: Mapping[str, Parts]) -> None:
        """Take the name of the provider, for its fault points, and its kinds by the name of the part (`nic` for `nic.0`)."""
        self._name = name
        self._kinds = kinds

    def perform(self, work: Work) -> Part:
        """Bring the part to `after`; what is there already is left alone."""
        step = work.step
        try:
            faults.reached(f"{self._name}.{step.kind}.before")
            self.bring(work, functools.partial(faults.reached, f"{self._name}.{step.kind}.half"))
            faults.reached(f"{self._name}.{step.kind}.after")
        except OSError as error:
            raise wrap(step, error) from error
        return step.after

    def undo(self, work: Work) -> None:
        """Bring the part back to `before`, from `after` or from half-way."""
        step = work.step
        try:
            faults.reached(f"{self._name}.undo.{step.kind}.before")
            self.take_back(work, functools.partial(faults.reached, f"{self._name}.undo.{step.kind}.half"))
            faults.reached(f"{self._name}.undo.{step.kind}.after")
        except OSError as error:
            raise wrap(step, error) from error

    def probe(self, work: Work) -> Probe:
        """Compare what is there with the part before and after."""
        return judge(self.kind_of(work.step).look(work), work)

    def close(self) -> None:
        """Let go of nothing; a kind that holds something open overrides this."""

    def kind_of(self, step: Step) -> Parts:
        """Return the kind of a step's part."""
        return self._kinds[step.part.partition(".")[0]]

    def bring(self, work: Work, half: Half) -> None:
        """Go to `after` from whatever is there."""
        step, parts = work.step, self.kind_of(work.step)
        seen = parts.look(work)
        if seen.half is None and seen.stray is None and same(seen.current, step.after):
            refuse_foreign(seen, work)
            parts.sweep(work)
            return
        refuse_unexpected(seen, work)
        if step.after is None:
            parts.drop(work, half)
        elif step.before is None or seen.current is None:
            parts.make(work, half)
        else:
            parts.change(work, seen.current, half)

    def take_back(self, work: Work, half: Half) -> None:
        """Go to `before` from `after` or from half-way."""
        step, parts = work.step, self.kind_of(work.step)
        seen = parts.look(work)
        if seen.stray is not None:
            if step.before is None:
                # What lies there is nothing that this step has made.
                return
            raise Conflict(describe(seen, work))
        if seen.half is None:
            if same(seen.current, step.before):
                parts.sweep(work)
                return
            if not same(seen.current, step.after):
                raise Conflict(describe(seen, work))
        if step.before is None:
            refuse_foreign(seen, work)
            parts.unmake(work, half)
        elif step.after is None:
            parts.restore(work, half)
        else:
            parts.unchange(work, half)


# The judgements.


def judge(seen: Seen, work: Work) -> Probe:
    """Say how far a step got, from what is there."""
    step = work.step
    if seen.half is not None:
        return Probe(Found.PARTIAL, f"`{step.address}` is half-way: {step.part} is {seen.half}", seen.lost)
    if seen.litter:
        return Probe(Found.PARTIAL, f"`{step.address}` is half-way: {step.part} has only begun")
    if seen.stray is not None:
        return Probe(Found.CONTRADICTED, describe(seen, work))
    if same(seen.current, step.after):
        if seen.current is not None and step.before is None and is_foreign(seen, work):
            return Probe(Found.CONTRADICTED, f"`{step.address}` is there already and carries the mark of another state, {seen.lineage}")
        return Probe(Found.DONE)
    if same(seen.current, step.before):
        return Probe(Found.NOT_STARTED)
    return Probe(Found.CONTRADICTED, describe(seen, work))


def refuse_unexpected(seen: Seen, work: Work) -> None:
    """Raise when performing a step would build on a state other than the planned one."""
    step = work.step
    refuse_foreign(seen, work)
    if seen.stray is not None:
        raise Conflict(f"File exists: {describe(seen, work)}")
    # A deletion takes what is there, however it drifted; a change that started from something else would mix two wills.
    if seen.half is not None or step.after is None or same(seen.current, step.before):
        return
    if step.before is None:
        raise Conflict(f"File exists: `{step.address}` has a different {step.part} already: {jsons.dumps(seen.current)}")
    raise Conflict(describe(seen, work))


def refuse_foreign(seen: Seen, work: Work) -> None:
    """Raise when a step would make what another state has made."""
    if work.step.before is None and is_foreign(seen, work):
        raise Conflict(f"`{work.step.address}` carries the mark of another state, {seen.lineage}")


def is_foreign(seen: Seen, work: Work) -> bool:
    """Return whether what is there belongs to another state."""
    return seen.lineage is not None and seen.lineage != work.lineage


def describe(seen: Seen, work: Work) -> str:
    """Say what is there instead of what a step expects."""
    step = work.step
    if seen.stray is not None:
        return f"the place of the {step.part} of `{step.address}` is taken: {seen.stray}"
    if seen.current is None:
        rest = "" if seen.beside is None else f"; found there: {', '.join(seen.beside) or 'nothing'}"
        return f"the {step.part} of `{step.address}` is gone{rest}"
    return f"the {step.part} of `{step.address}` is neither as before nor as after `{step.kind}`; found: {jsons.dumps(seen.current)}"


def same(left: Part, right: Part) -> bool:
    """Compare parts as JSON: a plan in memory may hold a tuple where a file has a list."""
    if left == right:
        return True
    return isinstance(left, dict) and isinstance(right, dict) and jsons.dumps(left) == jsons.dumps(right)


def reverse(work: Work) -> Work:
    """Return the work that goes the other way."""
    return work._replace(step=work.step._replace(before=work.step.after, after=work.step.before))


def wrap(step: Step, error: OSError) -> Permanent:
    """Put an error of the operating system into words."""
    where = f" (`{error.filename}`)" if error.filename else ""
    return Permanent(f"`{step.address}`: {error.strerror or error}{where}")
