"""How what the layers below raise becomes an error that callers are answered."""

import logging
import secrets
from collections.abc import Iterable, Sequence

from herocloud.kits.jsons import Json
from herocloud.model import errors
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.outcomes import Outcome
from herocloud.model.words import Status
from herocloud.operations import deployment, inputs
from herocloud.rpc.calls import error_codes
from herocloud.rpc.calls.error_codes import ErrorCode, RpcError
from herocloud.views import diagnostic_text as views

log = logging.getLogger(__name__)

_BY_TYPE: tuple[tuple[type[Exception], ErrorCode], ...] = (
    (deployment.SliceInUse, error_codes.SLICE_IN_USE),
    (deployment.ImageRefused, error_codes.IMAGE_ERROR),
    (inputs.HostRefused, error_codes.WRONG_STATE),
    (errors.Stale, error_codes.STALE_PLAN),
    (errors.Locked, error_codes.LOCKED),
    (errors.Blocked, error_codes.BLOCKED),
    (errors.DoesNotFit, error_codes.DOES_NOT_FIT),
)

_NOT_FOUND = frozenset(
    {
        "not-recorded",
        "unknown-slice",
        "unknown-stack",
        "nothing-recorded",
        "no-such-job",
        "no-such-plan",
        "no-such-vm",
        "no-snapshot",
        "no-such-snapshot",
        "unknown-snapshot",
        "unknown-serial",
        "nothing-to-undo",
        "not-unfinished",
        "no-state",
    }
)
_UNREACHABLE = frozenset(
    {"guest-unreachable", "hypervisor-unavailable", "missing-on-host", "no-hypervisor", "program-missing", "simulated-host"}
)
_TOO_LARGE = frozenset({"memory-over-slices"})
_OUT_OF_TIME = frozenset({"program-still-runs"})

_PARAMETERS = {"vcpus": "cpu_count", "memory": "memory_bytes", "root_disk": "disk_bytes", "slice": "more_slices"}
"""The parameters of `deploy_vm` that are called otherwise than the field of a VM which they are."""


def translate(error: Exception) -> RpcError | None:
    """Return the error for callers; nothing for a defect of ours."""
    if isinstance(error, errors.Refused):
        return refuse(error)
    if isinstance(error, errors.Temporary | errors.Permanent | errors.Conflict):
        found = Diagnostic("hypervisor-unavailable", "The hypervisor did not do it", f"{error}.")
        return RpcError(error_codes.HYPERVISOR_UNAVAILABLE, document([found]))
    return None


def refuse(error: errors.Refused) -> RpcError:
    """Return the error of a refusal, with its diagnostics in the command line's form."""
    for kind, code in _BY_TYPE:
        if isinstance(error, kind):
            return RpcError(code, document(error.diagnostics))
    codes = {diagnostic.code for diagnostic in error.diagnostics}
    if codes & _NOT_FOUND:
        return RpcError(error_codes.NOT_FOUND, document(error.diagnostics))
    if "protected" in codes:
        return RpcError(error_codes.BLOCKED, document(error.diagnostics))
    if codes & _UNREACHABLE:
        return RpcError(error_codes.HYPERVISOR_UNAVAILABLE, document(error.diagnostics))
    if codes & _OUT_OF_TIME:
        return RpcError(error_codes.TIMED_OUT, document(error.diagnostics))
    if codes & _TOO_LARGE:
        return RpcError(error_codes.DOES_NOT_FIT, document(error.diagnostics))
    if isinstance(error, deployment.FieldsRefused):
        return _wrong_parameters(zip(error.fields, error.diagnostics, strict=True))
    if any(diagnostic.place is not None for diagnostic in error.diagnostics):
        # A mistake in a text that the caller sent.
        return _wrong_parameters((None, diagnostic) for diagnostic in error.diagnostics)
    return RpcError(error_codes.WRONG_STATE, document(error.diagnostics))


def _wrong_parameters(found: Iterable[tuple[str | None, Diagnostic]]) -> RpcError:
    """Say which parameters are wrong; each diagnostic comes with the field of a VM that it is about, where it is about one."""
    pairs = list(found)
    errors_found = [
        {"loc": [_PARAMETERS.get(field, field)] if field else [], "type": "value_error", "msg": diagnostic.detail}
        for field, diagnostic in pairs
    ]
    return RpcError(error_codes.INVALID_PARAMS, {"errors": errors_found, **document([diagnostic for _, diagnostic in pairs])})


def of_outcomes(outcomes: Sequence[Outcome], job_id: str) -> RpcError:
    """Return the error of an apply in which steps failed."""
    failed = [outcome for outcome in outcomes if outcome.status is Status.FAILED]
    found = [
        Diagnostic("step-failed", "A step failed", f"`{outcome.step}`: {outcome.error or 'no reason is known'}.", address=outcome.address)
        for outcome in failed
    ]
    data = {**document(found), "job_id": job_id}
    if any(outcome.kind.startswith("image.") for outcome in failed):
        return RpcError(error_codes.IMAGE_ERROR, data)
    if failed and all("did not end within" in (outcome.error or "") or "timed out" in (outcome.error or "") for outcome in failed):
        return RpcError(error_codes.TIMED_OUT, data)
    return RpcError(error_codes.HYPERVISOR_UNAVAILABLE, data)


def not_found(code: str, summary: str, detail: str, hint: str | None = None) -> RpcError:
    """Say that something is not there, which is also the answer to callers without the right secret."""
    return RpcError(error_codes.NOT_FOUND, document([Diagnostic(code, summary, detail, hint=hint)]))


def invalid(detail: str, hint: str | None = None, place: str | None = None) -> RpcError:
    """Say that a parameter is wrong in a way that its schema does not know."""
    found = Diagnostic("invalid-parameter", "Invalid parameter", detail, hint=hint)
    errors_found = [{"loc": [place] if place else [], "type": "value_error", "msg": detail}]
    return RpcError(error_codes.INVALID_PARAMS, {"errors": errors_found, **document([found])})


def wrong_state(detail: str, hint: str | None = None, code: str = "wrong-state") -> RpcError:
    """Say that something is not in a state in which this can be done."""
    return RpcError(error_codes.WRONG_STATE, document([Diagnostic(code, "Wrong state", detail, hint=hint)]))


def blocked(detail: str, hint: str | None = None) -> RpcError:
    """Say that something may not be done by this caller."""
    return RpcError(error_codes.BLOCKED, document([Diagnostic("not-yours", "Not allowed", detail, hint=hint)]))


def bad_request(detail: str, hint: str | None = None) -> dict[str, Json]:
    """Return the `data` that says what is wrong with a request as such."""
    return document([Diagnostic("bad-request", "Bad request", detail, hint=hint)])


def defect(error: BaseException, what: str) -> RpcError:
    """Refer to the log; the text of the exception stays there, as it may quote anything, secrets included."""
    reference = secrets.token_hex(4)
    log.error("%s failed (reference %s)", what, reference, exc_info=error)
    return RpcError(error_codes.INTERNAL_ERROR, {"reference": reference})


def document(diagnostics: Sequence[Diagnostic]) -> dict[str, Json]:
    """Return diagnostics as `data`."""
    return {"diagnostics": [views.document(diagnostic) for diagnostic in diagnostics]}
