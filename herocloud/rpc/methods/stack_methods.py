"""Stacks: validated, planned, applied, destroyed, looked at."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from herocloud.apply.steering import Options
from herocloud.kits.jsons import Json
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.words import Approval
from herocloud.operations import apply, deployment, inputs, lookups, stack_files, stack_plans
from herocloud.operations.inputs import Sources
from herocloud.operations.stack_plans import Asked, Planned
from herocloud.plan import annotation
from herocloud.plan.scope import PlanOptions
from herocloud.rpc.calls import advice, error_answers
from herocloud.rpc.calls.error_codes import DOES_NOT_FIT, IMAGE_ERROR, NOT_FOUND, STALE_PLAN, WRONG_STATE, RpcError
from herocloud.rpc.calls.method_table import Example, Method, declare
from herocloud.rpc.jobs import uploads, work
from herocloud.rpc.jobs.desk import Desk
from herocloud.rpc.jobs.job_runs import Request, Run, Subject
from herocloud.rpc.methods import infos
from herocloud.rpc.methods.answers import (
    DriftInfo,
    DriftReport,
    ExportedStack,
    IdempotencyKey,
    JobInfo,
    PlanInfo,
    StackInfo,
    ValidationInfo,
    Wait,
)
from herocloud.rpc.methods.answers import Secret as SecretText
from herocloud.rpc.methods.vm_methods import _JOB, CHANGING
from herocloud.views import plan_json

YamlText = Annotated[str | None, Field(max_length=1_000_000, description="The text of the stack file.")]
Texts = Annotated[
    dict[str, Annotated[str, Field(max_length=1_000_000)]],
    Field(
        max_length=uploads.MOST_FILES, description="The stack files by their relative paths, instead of `yaml`; the first names the stack."
    ),
]
Contents = Annotated[
    dict[str, Annotated[str, Field(max_length=1_000_000)]],
    Field(
        max_length=uploads.MOST_FILES,
        description="The content of what the stack names with `file:`, by the paths that it uses. The daemon opens no other files.",
    ),
]
Variables = Annotated[dict[str, str], Field(max_length=1000, description="Values of the stack's variables, as `--var` takes them.")]
Environment = Annotated[
    dict[str, str], Field(max_length=1000, description="The variables that the stack names with `env:`. The daemon's own are never used.")
]
StackText = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", description="The name of the stack.")]
Approve = Annotated[
    list[Literal["create", "update", "stop", "reboot", "replace", "destroy"]],
    AfterValidator(lambda classes: sorted(set(classes))),
    Field(
        description="The classes of change that are approved, as `--approve` has them; what is not is -32007 with the classes in `data`."
    ),
]
Which = Annotated[str, Field(min_length=1, max_length=128, description="The id of the plan, or the name that you gave it.")]

_YAML = "stack: shop\nimages:\n  tiny: {kernel: ./vmlinuz}\nvms:\n  front: {image: tiny, memory: 1 GiB}\n"
_SENT = {"yaml": _YAML, "variables": {}, "contents": {"vmlinuz": "a kernel"}}
_STACK = {"stack": "shop", "resources": 2, "vms": 1, "complete": True, "addresses": ["image.tiny", "vm.front"], "outputs": {}}
_VALID = {"valid": True, "stack": "shop", "diagnostics": []}


def _receive(
    desk: Desk,
    yaml: str | None,
    files: dict[str, str],
    contents: dict[str, str],
    variables: dict[str, str],
    environment: dict[str, str],
) -> Sources:
    if (yaml is None) == (not files):
        raise error_answers.invalid("Give either `yaml` or `files`.", None, "yaml")
    given = files or {uploads.STACK_FILE: yaml or ""}
    settings = inputs.read_daemon_settings(desk.folder)
    return uploads.receive(desk.runtime, desk.folder, given, contents, variables, environment, settings.paths)


def _require_own(stack: str | None) -> None:
    if stack == deployment.STACK:
        raise RpcError(WRONG_STATE, error_answers.document([_NOT_OWN]))


_NOT_OWN = Diagnostic(
    "not-a-stack-file",
    "Wrong state",
    f"The stack `{deployment.STACK}` is made of what `deploy_vm` deploys.",
    hint="its VMs are changed one by one",
)


def _shown(desk: Desk, found: tuple[Diagnostic, ...]) -> list[Json]:
    cleaned = [
        diagnostic._replace(
            detail=uploads.shown_without(diagnostic.detail, desk.runtime),
            place=None
            if diagnostic.place is None
            else diagnostic.place._replace(file=uploads.shown_without(diagnostic.place.file, desk.runtime)),
            hint=None if diagnostic.hint is None else uploads.shown_without(diagnostic.hint, desk.runtime),
        )
        for diagnostic in found
    ]
    written = advice.of_error(error_answers.document(cleaned), "plan_stack")
    diagnostics: list[Json] = desk.jobs.conceal(written["diagnostics"], None)
    return diagnostics


@declare("stacks", example=Example(_SENT, _VALID), errors=(WRONG_STATE,))
def validate_stack(
    desk: Desk,
    yaml: YamlText = None,
    variables: Variables = {},  # noqa: B006
    contents: Contents = {},  # noqa: B006
    files: Texts = {},  # noqa: B006
    environment: Environment = {},  # noqa: B006
) -> ValidationInfo:
    """Return every finding about a stack, all mistakes at once.

    What is wrong is not an error of the call: `valid` says it, with the diagnostics of `herocloud validate --json`.
    """
    sources = _receive(desk, yaml, files, contents, variables, environment)
    stack = inputs.name_of_stack(desk.folder, sources)
    validated = stack_files.validate(desk.folder, sources)
    validated += (_NOT_OWN,) if stack == deployment.STACK else ()
    return ValidationInfo(valid=not any(diagnostic.is_error for diagnostic in validated), stack=stack, diagnostics=_shown(desk, validated))


_PLAN = {
    "plan_id": "0",
    "stack": "shop",
    "applyable": True,
    "changes": 2,
    "classes": {"create": ["image.tiny", "vm.front"]},
    "diagnostics": [],
    "plan": {},
}


@declare("stacks", example=Example({**_SENT, "plan_name": "first-plan"}, _PLAN), errors=(WRONG_STATE,))
def plan_stack(
    desk: Desk,
    yaml: YamlText = None,
    variables: Variables = {},  # noqa: B006
    contents: Contents = {},  # noqa: B006
    plan_name: Annotated[
        str | None, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$", description="A name by which you, and nobody else, may call the plan.")
    ] = None,
    files: Texts = {},  # noqa: B006
    environment: Environment = {},  # noqa: B006
    target: Annotated[list[str], Field(max_length=1000, description="Only these addresses and what they need.")] = [],  # noqa: B006
    exclude: Annotated[list[str], Field(max_length=1000, description="Leave these addresses out.")] = [],  # noqa: B006
    replace: Annotated[list[str], Field(max_length=1000, description="Re-create these VMs.")] = [],  # noqa: B006
) -> PlanInfo:
    """Show what applying a stack would do, and keep the plan for `apply_plan` for an hour.

    Nothing is locked or changed. `plan` is the document of `herocloud plan --json`.
    """
    sources = _receive(desk, yaml, files, contents, variables, environment)
    _require_own(inputs.name_of_stack(desk.folder, sources))
    options = PlanOptions(target=tuple(target), exclude=tuple(exclude), replace=tuple(replace))
    planned = stack_plans.make_plan(desk.folder, sources, Asked(options), make_key=True)
    desk.shelf.put(planned.plan.id, planned)
    if plan_name is not None:
        desk.shelf.put(_own_name(desk, plan_name), planned)
    return _show(desk, planned)


def _own_name(desk: Desk, name: str) -> str:
    return f"{desk.caller.uid}:{name}"


def _show(desk: Desk, planned: Planned) -> PlanInfo:
    plan = planned.plan
    classes = {approval.value: list(addresses) for approval, addresses in work.classes_of(plan).items()}
    # The places of findings are in files that the caller sent, under the names that the caller gave.
    shown = annotation.with_diagnostics(plan, ())
    document = desk.jobs.conceal(plan_json.plan_document(shown), None)
    return PlanInfo(
        plan_id=plan.id,
        stack=plan.stack,
        applyable=plan.applyable,
        changes=len(plan.changing),
        classes=classes,
        diagnostics=_shown(desk, (*planned.notes, *plan.diagnostics)),
        plan=document,
    )


@declare("stacks", example=Example({"plan_id": "first-plan"}, _PLAN), errors=(NOT_FOUND,))
def get_plan(desk: Desk, plan_id: Which) -> PlanInfo:
    """Return a plan that was made within the last hour."""
    return _show(desk, _find_plan(desk, plan_id))


def _find_plan(desk: Desk, plan_id: str) -> Planned:
    planned = desk.shelf.get(plan_id) or desk.shelf.get(_own_name(desk, plan_id))
    if planned is None:
        raise error_answers.not_found(
            "no-such-plan", "No such plan", f"There is no plan `{plan_id}`.", "plans are kept for an hour; plan again"
        )
    return planned


@declare(
    "stacks",
    example=Example(
        {"plan_id": "first-plan", "approve": ["create"], "idempotency_key": None, "wait": 60},
        {**_JOB, "method": "apply_plan", "stack": "shop", "address": None, "sid": None},
    ),
    errors=(*CHANGING, STALE_PLAN, DOES_NOT_FIT, IMAGE_ERROR),
)
def apply_plan(
    desk: Desk,
    plan_id: Which,
    approve: Approve = [],  # noqa: B006
    idempotency_key: IdempotencyKey = None,
    wait: Wait = 0.0,
    on_failure: Annotated[Literal["stop", "continue", "rollback"], Field(description="What a failed step means for the rest.")] = "stop",
) -> JobInfo:
    """Run a plan that was made before, exactly as it was shown.

    What it relies on is looked at again; a fact that changed is -32006, and names the fact.
    """
    planned = _find_plan(desk, plan_id)
    approved = frozenset(Approval(word) for word in approve)
    work.within(approved).approve(planned)
    stack_plans.refuse_unapplyable(planned.plan)
    if desk.shelf.leads_elsewhere(plan_id) or desk.shelf.leads_elsewhere(_own_name(desk, plan_id)):
        detail = "A path of an image or a share leads elsewhere than when the plan was made."
        raise error_answers.wrong_state(detail, "plan again", "path-refused")
    uploads.require_shares(planned.desired, desk.runtime, inputs.read_daemon_settings(desk.folder).paths)

    def run_it(run: Run) -> Json:
        options = Options(on_failure=on_failure)
        try:
            how = work.how_for(run, options, planned.hosting.context.environment)
            applied = apply.apply_saved(desk.folder, planned.plan, how)
        finally:
            desk.sight.forget()
        work.require_done(run, applied)
        already = applied.result is not None and applied.result.already
        if already:
            run.note("this plan was applied before, and nothing was done")
        changes = 0 if already else len(planned.plan.changing)
        return {"plan_id": planned.plan.id, "changes": changes, "outputs": dict(planned.plan.outputs)}

    request = Request("apply_plan", Subject(f"stack:{planned.plan.stack}", planned.plan.stack), run_it)
    return infos.job_info(desk.submit(request, idempotency_key, wait=wait))


@declare("stacks", example=Example({}, [_STACK]), errors=(WRONG_STATE,))
def list_stacks(desk: Desk, secret: SecretText = "") -> list[StackInfo]:
    """Return every stack of which something is recorded."""
    digest = desk.digest(secret)
    return [stack_info for name in sorted(desk.recorded.records) if (stack_info := _stack_info(desk, name, digest)) is not None]


def _stack_info(desk: Desk, name: str, digest: str | None) -> StackInfo | None:
    records = [record for record in lookups.records_of(desk.recorded, name) if desk.sees(record, digest)]
    if not records and name == deployment.STACK:
        return None
    return StackInfo(
        stack=name,
        resources=len(records),
        vms=sum(1 for record in records if record.kind == "vm"),
        complete=all(record.complete for record in records),
        addresses=[record.address for record in records],
        outputs=dict(desk.recorded.outputs.get(name, {})),  # type: ignore[call-overload]
    )


@declare(
    "stacks",
    example=Example({"stack": "shop"}, _STACK),
    errors=(NOT_FOUND, WRONG_STATE),
)
def get_stack(desk: Desk, stack: StackText, secret: SecretText = "") -> StackInfo:
    """Return one stack with its addresses and outputs."""
    return require_known(desk, stack, desk.digest(secret))


def require_known(desk: Desk, stack: str, digest: str | None) -> StackInfo:
    """Return a stack that the caller may know of."""
    stack_info = _stack_info(desk, stack, digest) if stack in desk.recorded.records else None
    if stack_info is None:
        raise error_answers.not_found("unknown-stack", "No records of this stack", f"Nothing is recorded for a stack `{stack}`.")
    return stack_info


@declare("stacks", example=Example({"stack": "shop"}, {"resource_drift": [], "unfinished": []}), errors=(NOT_FOUND, WRONG_STATE))
def drift(desk: Desk, stack: StackText | None = None, secret: SecretText = "") -> DriftReport:
    """Compare the world with the records; the lists are empty where they agree."""
    digest = desk.digest(secret)
    drifted_stacks = lookups.find_drift(desk.folder, stack)
    found = [
        DriftInfo(
            stack=drifted_stack.stack,
            address=item.address,
            part=item.part,
            recorded=item.before,
            observed=item.after,
            cause=item.cause.value,
            left_by_apply=item.left_by_apply,
        )
        for drifted_stack in drifted_stacks
        for item in drifted_stack.drift
        if infos.sees_drift(desk, drifted_stack, item.address, digest)
    ]
    return DriftReport(resource_drift=found, unfinished=infos.unfinished_infos(desk, stack, digest))


@declare("stacks", example=Example({"stack": "shop"}, [{"stack": "shop", "yaml": _YAML}]), errors=(NOT_FOUND, WRONG_STATE))
def export(
    desk: Desk,
    stack: StackText | None = None,
    addresses: Annotated[list[str], Field(max_length=1000, description="Only these, with what they need.")] = [],  # noqa: B006
    secret: SecretText = "",
) -> list[ExportedStack]:
    """Return the YAML of what exists; planning it again changes nothing."""
    digest = desk.digest(secret)
    found = lookups.export(desk.folder, stack, addresses, lambda record: desk.sees(record, digest))
    return [ExportedStack(stack=name, yaml=text) for name, text in found]


@declare(
    "stacks",
    example=Example(
        {"stack": "shop", "approve": ["destroy"], "idempotency_key": None, "wait": 60},
        {**_JOB, "method": "destroy_stack", "stack": "shop", "address": None, "sid": None},
    ),
    errors=(*CHANGING, IMAGE_ERROR),
)
def destroy_stack(
    desk: Desk,
    stack: StackText,
    approve: Approve = [],  # noqa: B006
    idempotency_key: IdempotencyKey = None,
    wait: Wait = 0.0,
    purge: Annotated[bool, Field(description="Removes data at once instead of keeping it for a time.")] = False,  # noqa: FBT002
) -> JobInfo:
    """Remove everything that a stack owns. Its data is kept for a time, so that `undo` can bring it back, unless `purge` is true.

    An apply of it that did not end is closed once that is approved, and what it made goes with the rest.
    """
    _require_own(stack)
    approved = frozenset(Approval(word) for word in approve)

    def plan() -> Planned:
        return stack_plans.make_plan(desk.folder, Sources(()), Asked(PlanOptions(destroy=True, purge=purge), stack=stack))

    def run_it(run: Run) -> Json:
        applied = work.run_planned(desk, run, plan, work.within(approved), removes=True)
        return {"plan_id": applied.plan.id if applied.plan else None}

    request = Request("destroy_stack", Subject(f"stack:{stack}", stack), run_it)
    return infos.job_info(desk.submit(request, idempotency_key, wait=wait))


METHODS: tuple[Method[Any], ...] = (
    validate_stack,
    plan_stack,
    get_plan,
    apply_plan,
    list_stacks,
    get_stack,
    drift,
    export,
    destroy_stack,
)
