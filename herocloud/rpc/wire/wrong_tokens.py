"""How often each peer has come over TCP with a wrong token; as many peers as fit in a bounded table are remembered."""

import time
from collections import OrderedDict
from collections.abc import Callable

MOST = 10
SECONDS = 60.0
"""So many wrong tokens of one peer in such a time, and it has to wait until the time has passed; a right token is always let in."""
_PEERS = 1024


class WrongTokens:
    """The table of one listener."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty."""
        self._clock = clock
        self._peers: OrderedDict[str, list[float]] = OrderedDict()

    def is_too_many(self, peer: str) -> bool:
        """Count one more of a peer; tells whether there were too many already."""
        now = self._clock()
        recent = [at for at in self._peers.pop(peer, ()) if now - at < SECONDS]
        too_many = len(recent) >= MOST
        self._peers[peer] = recent if too_many else [*recent, now]
        while len(self._peers) > _PEERS:
            self._peers.popitem(last=False)
        return too_many
