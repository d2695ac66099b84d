"""What a stack may name outside of itself, where its author is not who runs herocloud.

On the command line the author of a stack reads with his own rights, and there is no fence. A daemon is root and its callers are not: for
them it opens only what they sent along, and of the host's own files only those below folders that the operator named.
"""

import os

from herocloud.kits.named_tuples import NamedTuple


class Fence(NamedTuple):
    """The folders that may be named."""

    sent: str
    """Holds what the caller sent: user data, secrets, the stack files themselves."""
    host: tuple[str, ...] = ()
    """Folders of the host that may be named for shares, kernels and images, and files for the latter two."""

    def lets_read(self, path: str) -> bool:
        """Return whether the content of a file may be read for the caller."""
        return _is_below(path, (self.sent,))

    def lets_name(self, path: str) -> bool:
        """Return whether a share, a kernel or an image may lie there; links are followed before it is judged."""
        return _is_below(path, (self.sent, *self.host))


def _is_below(path: str, folders: tuple[str, ...]) -> bool:
    real = os.path.realpath(path)
    return any(os.path.commonpath((real, os.path.realpath(folder))) == os.path.realpath(folder) for folder in folders)
