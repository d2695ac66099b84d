"""The errors that callers see: their numbers, and the one exception that a method raises to answer with one of them."""

from collections.abc import Mapping
from typing import NamedTuple

from herocloud.kits.jsons import Json


class ErrorCode(NamedTuple):
    """One kind of error, as the document publishes it."""

    code: int
    message: str
    """Constant text; what happened this time stands in `data`."""


PARSE_ERROR = ErrorCode(-32700, "Parse error")
INVALID_REQUEST = ErrorCode(-32600, "Invalid Request")
METHOD_NOT_FOUND = ErrorCode(-32601, "Method not found")
INVALID_PARAMS = ErrorCode(-32602, "Invalid params")
INTERNAL_ERROR = ErrorCode(-32603, "Internal error")

NOT_FOUND = ErrorCode(-32001, "Not found")
SLICE_IN_USE = ErrorCode(-32002, "Slice in use")
WRONG_STATE = ErrorCode(-32003, "Wrong state")
DOES_NOT_FIT = ErrorCode(-32004, "Does not fit")
LOCKED = ErrorCode(-32005, "Locked")
STALE_PLAN = ErrorCode(-32006, "Stale plan")
BLOCKED = ErrorCode(-32007, "Blocked")
HYPERVISOR_UNAVAILABLE = ErrorCode(-32008, "Hypervisor unavailable")
IMAGE_ERROR = ErrorCode(-32009, "Image error")
TIMED_OUT = ErrorCode(-32010, "Timed out")
CANCELLED = ErrorCode(-32011, "Cancelled")

OWN = (
    NOT_FOUND,
    SLICE_IN_USE,
    WRONG_STATE,
    DOES_NOT_FIT,
    LOCKED,
    STALE_PLAN,
    BLOCKED,
    HYPERVISOR_UNAVAILABLE,
    IMAGE_ERROR,
    TIMED_OUT,
    CANCELLED,
)
"""What a method may declare. The five of the protocol itself can come from every method and are declared by none."""


class RpcError(Exception):
    """An error that goes to the caller as it is."""

    def __init__(self, kind: ErrorCode, data: Mapping[str, Json] | None = None) -> None:
        """Keep the kind; `data` says what happened, in the form of the command line's diagnostics."""
        super().__init__(kind.message)
        self.kind = kind
        self.data = data
