"""Plans that were shown and may be applied: kept for an hour, and so many at most."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from herocloud.operations.stack_plans import Planned
from herocloud.rpc.jobs import uploads

SECONDS = 3600.0
MOST = 256


class Shelf:
    """The plans of one daemon."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty."""
        self._clock = clock
        self._turn = threading.Lock()
        self._plans: OrderedDict[str, tuple[float, Planned, Mapping[str, str]]] = OrderedDict()

    def put(self, plan_id: str, planned: Planned) -> None:
        """Keep a plan; the oldest one goes when there are too many."""
        with self._turn:
            self._plans.pop(plan_id, None)
            self._plans[plan_id] = (self._clock(), planned, uploads.follow_paths(planned.desired))
            while len(self._plans) > MOST:
                self._plans.popitem(last=False)

    def get(self, plan_id: str) -> Planned | None:
        """Return a plan that is not too old."""
        with self._turn:
            kept = self._plans.get(plan_id)
            if kept is None or self._is_old(kept[0]):
                return None
            return kept[1]

    def drop_old(self) -> None:
        """Forget plans that are too old, and with each what its caller sent for `env:`."""
        with self._turn:
            for plan_id in [known for known, kept in self._plans.items() if self._is_old(kept[0])]:
                del self._plans[plan_id]

    def _is_old(self, put: float) -> bool:
        return self._clock() - put > SECONDS

    def leads_elsewhere(self, plan_id: str) -> bool:
        """Return whether a path in a plan leads to another place than when the plan was made."""
        with self._turn:
            kept = self._plans.get(plan_id)
        return kept is not None and uploads.follow_paths(kept[1].desired) != kept[2]
