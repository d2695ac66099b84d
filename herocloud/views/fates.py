"""What has become of each change, in words that are true of the thing: a VM whose replacement was cut short is gone, and not skipped."""

from collections.abc import Mapping
from typing import NamedTuple

from herocloud.model import worlds
from herocloud.model.ids import Address, StepId
from herocloud.model.outcomes import Outcome, Result
from herocloud.model.plans import Change, Plan
from herocloud.model.steps import KINDS
from herocloud.model.words import Status

DONE, FAILED = "done", "failed"
BEGUN, NOT_STARTED, PREPARED = "begun and not finished", "not started", "prepared and not started"
TAKEN_BACK, NOT_TAKEN_BACK = "taken back", "not taken back"


class Fate(NamedTuple):
    """How a change ended, and what its thing is now."""

    word: str
    now: str = ""
    """`gone`, `stopped`, `paused` or `running` for a VM whose change was begun; empty where the word says it all."""

    @property
    def untouched(self) -> bool:
        """Return whether the thing is as it was: at most something was made beside it, which the next apply uses or discards."""
        return self.word in (NOT_STARTED, PREPARED)

    @property
    def words(self) -> str:
        """Say both."""
        return f"{self.word}, {self.now}" if self.now else self.word


def of_result(plan: Plan, result: Result, endings: Mapping[Address, Status | None]) -> dict[Address, Fate]:
    """Return the fate of each change."""
    acted = {outcome.step for outcome in result.outcomes if not _never_ran(outcome)} | result.earlier
    begun = {step.address for step in plan.steps if step.id in acted and not KINDS[step.kind].prepares}
    prepared = {step.address for step in plan.steps if step.id in acted} - begun
    power = _powers(plan, result)
    if result.went_back:
        return {change.address: _fate_back(change.address, plan, result, power.get(change.address, "")) for change in plan.changing}
    return {
        change.address: _fate(
            endings[change.address],
            result,
            untouched=PREPARED if change.address in prepared else "" if change.address in begun else NOT_STARTED,
            now=power.get(change.address, ""),
        )
        for change in plan.changing
    }


def _never_ran(outcome: Outcome) -> bool:
    """Return whether a step was only noted at the end: one that gave up or did not answer says so."""
    return outcome.status is Status.SKIPPED or (outcome.status is Status.CANCELLED and outcome.error is None)


def _fate_back(address: Address, plan: Plan, result: Result, now: str) -> Fate:
    """Return the fate of a change after its apply was taken back, wholly or as far as that went."""
    outcomes = [outcome for outcome in result.outcomes if outcome.address == address]
    told = {outcome.step for outcome in outcomes}
    begun = {outcome.status for outcome in outcomes} - {Status.SKIPPED}
    if any(outcome.back_failed for outcome in outcomes):
        return Fate(FAILED, now)
    untouched = any(step.id in result.earlier and step.id not in told for step in plan.steps if step.address == address)
    if not result.rolled_back and (untouched or begun & {Status.DONE, Status.CANCELLED}):
        return Fate(NOT_TAKEN_BACK, now)
    return Fate(TAKEN_BACK) if begun else Fate(NOT_STARTED)


def _fate(status: Status | None, result: Result, *, untouched: str, now: str) -> Fate:
    if result.already or status is Status.DONE:
        return Fate(DONE)
    if status is Status.FAILED:
        return Fate(FAILED, now)
    return Fate(untouched) if untouched else Fate(BEGUN, now)


def _powers(plan: Plan, result: Result) -> dict[Address, str]:
    """Follow what the steps that were done have made of each VM."""
    ended = {outcome.step: Status.DONE if outcome.stays else outcome.status for outcome in result.outcomes}
    now = {change.address: _before(change) for change in plan.changing if change.kind == "vm"}
    for step in plan.steps:
        if step.address in now and KINDS[step.kind].power and _is_done(step.id, ended, result):
            now[step.address] = KINDS[step.kind].power
    asked = unseen(result)
    return {address: _seen(result.seen.get(address, ""), power) if address in asked else power for address, power in now.items()}


def unseen(result: Result) -> set[Address]:
    """Return the VMs of which the outcomes of steps do not tell what they are now: somebody has to look."""
    return {outcome.address for outcome in result.outcomes if outcome.unclear and KINDS[outcome.kind].power}


def _seen(power: str, expected: str) -> str:
    return expected if power == "gone" and expected == "not there yet" else power


def _before(change: Change) -> str:
    now = worlds.power_of(change.parts_before or {})
    return "not there yet" if now == "gone" and change.before is None else now


def _is_done(step: StepId, ended: Mapping[StepId, Status], result: Result) -> bool:
    status = ended.get(step)
    return status is Status.DONE or (status is None and step in result.earlier)
