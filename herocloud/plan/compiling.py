"""Turning a target into steps, for everything but VMs, and the small builder that both compilers use."""

from collections.abc import Iterable, Mapping

from herocloud.kits.jsons import Part
from herocloud.model.ids import Address, StepId
from herocloud.model.steps import KINDS, NOTHING, STATE_PROVIDER, Claim, Step

CREATE, CHANGE, REMOVE = 0, 1, 2
_KINDS = {
    "image": ("image.fetch", "image.fetch", "image.delete"),
    "network": ("network.create", "network.update", "network.delete"),
    "mycelium": ("overlay.enable", "overlay.enable", "overlay.disable"),
    "peer": ("peer.add", "peer.add", "peer.remove"),
    "volume": ("volume.create", "volume.grow", "volume.delete"),
}


class Sequence:
    """The steps of one change while they are put together."""

    def __init__(self, address: Address, providers: Mapping[str, str]) -> None:
        """Take the address and who plays each role."""
        self.address = address
        self._providers = providers
        self.steps: list[Step] = []
        self._names: set[str] = set()

    def add(
        self,
        kind: str,
        part: str,
        before: Part,
        after: Part,
        needs: Iterable[StepId | None] = (),
        *,
        takes: Claim = NOTHING,
        gives: Claim = NOTHING,
        provider: str | None = None,
    ) -> StepId:
        """Append one step; returns its id for the ones that need it."""
        name = f"{self.address}/{kind}"
        number = 1
        while name in self._names:
            number += 1
            name = f"{self.address}/{kind}#{number}"
        self._names.add(name)
        step_id = StepId(name)
        role = KINDS[kind].role
        who = provider or (STATE_PROVIDER if role == "state" else self._providers[role])
        self.steps.append(
            Step(step_id, self.address, kind, who, part, before, after, tuple(one for one in needs if one is not None), (), takes, gives)
        )
        return step_id

    def finish(self) -> list[Step]:
        """Mark the step that completes the change; it comes to need every step that nothing else needs."""
        if not self.steps:
            return []
        needed = {one for step in self.steps for one in step.needs}
        *others, final = self.steps
        loose = tuple(step.id for step in others if step.id not in needed)
        self.steps[-1] = final._replace(needs=(*final.needs, *loose), last=True)
        return self.steps


def compile_plain(seq: Sequence, kind: str, present: Mapping[str, Part], target: Mapping[str, Part] | None) -> None:
    """Bring the single part of a resource from what is present to its target (nothing: it goes)."""
    part = next(iter(target or present), None)
    if part is None:
        return
    before, after = present.get(part), (target or {}).get(part)
    if before == after:
        return
    which = CREATE if before is None else REMOVE if after is None else CHANGE
    takes, gives = _claims(kind, before, after)
    seq.add(_KINDS[kind][which], part, before, after, takes=takes, gives=gives)


def _claims(kind: str, before: Part, after: Part) -> tuple[Claim, Claim]:
    if kind != "volume":
        return NOTHING, NOTHING
    grown = (after or {"size": 0})["size"] - (before or {"size": 0})["size"]
    return (Claim(disk=grown), NOTHING) if grown > 0 else (NOTHING, Claim(disk=-grown))
