"""Who made a tombstone: what an undo brings back is what exactly that step took away, and nothing else that had the same path."""

from herocloud.model.steps import Step

Maker = tuple[str, ...]
"""The plan, the step and the apply; nothing, or the plan and the step alone, in tombstones from before that was written down."""


def maker_of(step: Step, plan: str, apply: str) -> Maker:
    """Return whose tombstone a step makes, or brings back when it is taken back."""
    return step.tombstone or (plan, step.id, apply)


def is_same(maker: Maker, wanted: Maker) -> bool:
    """Return whether a tombstone with this maker is the one that is wanted. Plan ids recur, so the apply counts where it is known."""
    return bool(maker) and all(mine == other for mine, other in zip(maker, wanted, strict=False) if mine and other)
