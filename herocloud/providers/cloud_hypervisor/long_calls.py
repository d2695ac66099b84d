"""Calls that move the memory of a VM. The program answers nothing else meanwhile, and no call of its API ends them early.

So the call is made beside the one who waits for it: that one says how far it is, and gives up after a while. The next command waits until
the program is free again.
"""

import threading
import time
from collections.abc import Callable

from herocloud.model.errors import Temporary
from herocloud.providers.cloud_hypervisor.client import Client, Silent

_STEP = 0.1
_PING = 10.0
_LEAST, _SLOWEST, MOST = 120.0, 8 * 1024**2, 3300.0
"""Seconds that every call may take, bytes a second of a disk that is slower than any in use, and seconds that none may take: the step
that waits ends a little later."""


def limit_for(size: int) -> float:
    """Return how many seconds this much memory may take."""
    return min(_LEAST + size / _SLOWEST, MOST)


def carry_out(
    call: Callable[[], None], told: Callable[[], None], seconds: float, what: str, *, stopped: Callable[[], bool] = lambda: False
) -> None:
    """Make a call and wait for its end; where it takes too long or nobody wants it any more, it goes on without us."""
    over = threading.Event()
    failures: list[Exception] = []

    def make() -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001  (raised by the one who waits)
            failures.append(error)
        finally:
            over.set()

    threading.Thread(target=make, daemon=True).start()
    until = time.monotonic() + seconds
    while not over.wait(_STEP):
        told()
        if stopped():
            raise Temporary(f"{what} was cancelled; Cloud Hypervisor comes to the end of it")
        if time.monotonic() > until:
            raise Temporary(f"{what} takes longer than {seconds:.0f} s")
    if failures:
        raise failures[0]


def wait_until_free(client: Client, told: Callable[[str, float | None], None], seconds: float = MOST) -> None:
    """Wait while the program is busy with a call of somebody who is gone."""
    until = time.monotonic() + seconds
    while True:
        try:
            client.ping(_PING)
        except Silent:
            told("Cloud Hypervisor is still busy with an earlier request", None)
            if time.monotonic() > until:
                raise
        else:
            return
