"""Calls with an idempotency key, recognized before their method looks for what they are about: the first call may have changed that.

A key is one caller's, for one method and under one secret: it must not tell of the jobs of others.
"""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from herocloud.kits import jsons
from herocloud.kits.jsons import Json
from herocloud.rpc.calls.method_table import Method
from herocloud.rpc.wire.peer_identity import Caller

KEY = "idempotency_key"
_NOT_ASKED = frozenset({KEY, "secret", "wait"})
"""What says nothing about what is to be done; a secret is part of the key already."""


class Keyed(NamedTuple):
    """A call that has a key."""

    key: str
    """What the key is known by."""
    asked: str
    """A digest of everything that was asked, to tell a repetition from another request that has the same key."""
    secret: str | None
    """The digest of the secret that was given."""
    wait: float
    """For how many seconds the caller waits for the end of the job."""


def recognize(method: Method[Any], checked: Any, caller: Caller, digest: Callable[[str], str | None]) -> Keyed | None:
    """Return what a call is known by; nothing for one without a key."""
    given: str | None = getattr(checked, KEY, None)
    if given is None:
        return None
    secret = digest(getattr(checked, "secret", ""))
    asked: Json = checked.model_dump(mode="json", exclude=_NOT_ASKED)
    return Keyed(_name(given, caller.uid, secret, method.name), jsons.digest([method.name, asked]), secret, checked.wait)


def name_key(given: str, method: str) -> str:
    """Return what a call of this very user without a secret is known by."""
    return _name(given, os.geteuid(), None, method)


def _name(given: str, uid: int | None, secret: str | None, method: str) -> str:
    name = jsons.digest([given, uid, None, method])
    # The digest of the secret stands at the end, where `DaemonStore.change_secret` puts that of a new one.
    return name if secret is None else f"{name} {secret}"
