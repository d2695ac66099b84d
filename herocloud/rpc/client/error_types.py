"""Errors of the daemon by their codes. Generated from `openrpc.json` by `scripts/openrpc`; not edited by hand."""

from herocloud.rpc.client.call_errors import CallError


class NotFound(CallError):
    """Not found."""

    code = -32001


class SliceInUse(CallError):
    """Slice in use."""

    code = -32002


class WrongState(CallError):
    """Wrong state."""

    code = -32003


class DoesNotFit(CallError):
    """Does not fit."""

    code = -32004


class Locked(CallError):
    """Locked."""

    code = -32005


class StalePlan(CallError):
    """Stale plan."""

    code = -32006


class Blocked(CallError):
    """Blocked."""

    code = -32007


class HypervisorUnavailable(CallError):
    """Hypervisor unavailable."""

    code = -32008


class ImageError(CallError):
    """Image error."""

    code = -32009


class TimedOut(CallError):
    """Timed out."""

    code = -32010


class Cancelled(CallError):
    """Cancelled."""

    code = -32011


class InvalidRequest(CallError):
    """Invalid Request."""

    code = -32600


class MethodNotFound(CallError):
    """Method not found."""

    code = -32601


class InvalidParams(CallError):
    """Invalid params."""

    code = -32602


class InternalError(CallError):
    """Internal error."""

    code = -32603


BY_CODE: dict[int, type[CallError]] = {
    -32001: NotFound,
    -32002: SliceInUse,
    -32003: WrongState,
    -32004: DoesNotFit,
    -32005: Locked,
    -32006: StalePlan,
    -32007: Blocked,
    -32008: HypervisorUnavailable,
    -32009: ImageError,
    -32010: TimedOut,
    -32011: Cancelled,
    -32600: InvalidRequest,
    -32601: MethodNotFound,
    -32602: InvalidParams,
    -32603: InternalError,
}
