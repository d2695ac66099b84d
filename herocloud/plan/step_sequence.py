"""The steps of one change while they are put together: their names, who performs them, and what each needs of the others."""

from collections.abc import Iterable, Mapping

from herocloud.kits.jsons import Json, Part
from herocloud.model.ids import Address, StepId
from herocloud.model.steps import KINDS, NOTHING, STATE_PROVIDER, Claim, Step
from herocloud.plan import bandwidth


class StepSequence:
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
        origin: Json = None,
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
        if role == "network" and not KINDS[kind].passes:
            takes, gives = bandwidth.claims(part, before, after)
        self.steps.append(
            Step(
                step_id,
                self.address,
                kind,
                who,
                part,
                before,
                after,
                tuple(need for need in needs if need is not None),
                (),
                takes,
                gives,
                origin=origin,
            )
        )
        return step_id

    def finish(self) -> list[Step]:
        """Mark the step that completes the change; it comes to need every step that nothing else needs."""
        if not self.steps:
            return []
        needed = {need for step in self.steps for need in step.needs}
        *others, final = self.steps
        loose = tuple(step.id for step in others if step.id not in needed)
        self.steps[-1] = final._replace(needs=(*final.needs, *loose), last=True)
        return self.steps
