"""How an apply is to behave; the same for resume and rollback."""

from typing import NamedTuple


class Options(NamedTuple):
    """The choices of whoever starts an apply."""

    parallelism: int = 10
    """How many steps run at once at most; `model.steps.LANES` bounds each resource class below that."""
    on_failure: str = "stop"
    """`stop`: what runs may finish, nothing new starts. `continue`: everything that does not need the failed step still runs.
    `rollback`: as `stop`, and then everything that this apply did is taken back, newest first."""
    purge: bool = False
    """Deleted data is removed at once, without a tombstone."""
    step_timeout: float | None = None
    """Seconds after which any step counts as failed, in place of the time-out of its kind."""
    grace: float = 30.0
    """Seconds that running steps have to finish after the first interrupt."""
