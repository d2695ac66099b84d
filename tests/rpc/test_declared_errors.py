"""Every error that the document declares for a method comes out of that method; and what comes out is declared (`conftest`)."""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.model import errors
from herocloud.model.words import Approval
from herocloud.operations import guests, lookups, plan_files
from herocloud.providers.guests import programs
from herocloud.rpc.calls import error_codes
from herocloud.rpc.client import CallError, Client
from herocloud.rpc.jobs import work
from herocloud.rpc.methods import all_methods
from tests.rpc.conftest import SECONDS

SCENARIO = "scenario.yaml"
SHOP = """\
stack: shop
images: {tiny: {source: "https://example.org/t.qcow2", sha256: "%s", format: qcow2}}
vms: {front: {image: tiny, memory: 1 GiB}, safe: {image: tiny, memory: 1 GiB, protect: true}}
""" % ("0" * 64)
LARGER = SHOP.replace("front: {image: tiny, memory: 1 GiB}", "front: {image: tiny, memory: 2 GiB}, more: {image: tiny, memory: 1 GiB}")
HUGE = SHOP.replace("front: {image: tiny, memory: 1 GiB}", "front: {image: tiny, memory: 900 GiB}")
OTHER = '  other: {source: "https://example.org/other.qcow2", sha256: "%s", format: qcow2}\n' % ("1" * 64)
HOLD = """
import pathlib, sys
from herocloud.model.applies import Scope
from herocloud.state import locking
with locking.hold(pathlib.Path(sys.argv[1]), "apply", None, 30.0, scope=Scope(*sys.argv[2:])):
    print("held", flush=True)
    sys.stdin.read()
"""
PAIRS = [(method.name, error.code) for method in all_methods.methods() for error in method.errors]


class Site:
    """A daemon with a deployed VM that has a snapshot, a stack, and what methods are to be called with."""

    def __init__(self, start: Any, folder: Path) -> None:
        self.folder = folder
        self.behave("")
        with (folder / "host.yaml").open("a", encoding="utf-8") as host:
            host.write(f"simulator: {{scenario: ./{SCENARIO}}}\n")
        self.daemon = start()
        self.deploy(name="first", slice_sid="s6")

    def behave(self, rules: str) -> None:
        """Have the simulator misbehave from now on."""
        (self.folder / SCENARIO).write_text(f"rules: [{rules}]\n", encoding="utf-8")

    def call(self, method: str, **params: Any) -> Any:
        return self.daemon.call(method, **params)

    def deploy(self, **params: Any) -> str:
        return str(self.call("deploy_vm", **{"name": "web", "slice_sid": "s1", "image": "tiny", "wait": 30, **params})["sid"])

    def plan(self, text: str = SHOP) -> Any:
        return self.call("plan_stack", yaml=text)

    def apply(self, text: str = SHOP) -> None:
        plan = self.plan(text)
        self.call("apply_plan", plan_id=plan["plan_id"], approve=list(plan["classes"]), wait=30)

    def handed(self, text: str = SHOP) -> dict[str, Any]:
        """Return a plan as the command line hands it over."""
        planned = self.daemon.service.desk.shelf.get(self.plan(text)["plan_id"])
        return {"plan": plan_files.dump(planned.plan).decode(), "options": {"approved": ["create"], "lock_timeout": 0.3}}

    def sid(self, name: str) -> str:
        return next(str(vm["sid"]) for vm in self.call("list_vms") if vm["name"] == name)

    def code(self, method: str, params: dict[str, Any]) -> int | None:
        """Return the code of the error that a call of the client, or the job that it began, ends with."""
        with Client(self.daemon.path, timeout=SECONDS) as client:
            try:
                answer = getattr(client, method)(**params)
            except CallError as error:
                return error.code
        if isinstance(answer, dict) and answer.get("job_id") and answer.get("error"):
            return int(answer["error"]["code"])
        return None


@pytest.fixture
def site(start: Any, folder: Path) -> Site:
    return Site(start, folder)


def params_for(site: Site, method: str) -> dict[str, Any]:
    """Make what a method needs, and return parameters with which it does what it is for."""
    if method == "deploy_vm":
        return {"name": "new", "slice_sid": "s5", "image": "tiny"}
    if method in ("start_vm", "stop_vm", "restart_vm", "get_vm", "delete_vm", "attach_hypervisor", "vm_logs", "vm_exec", "clone_vm"):
        sid = site.deploy()
        if method == "start_vm":
            site.call("stop_vm", sid=sid, wait=30)
        return {"sid": sid, **{"vm_exec": {"command": "true"}, "clone_vm": {"name": "copy"}}.get(method, {})}
    if "snapshot" in method:
        sid = site.deploy()
        if method in ("create_snapshot", "list_snapshots"):
            return {"sid": sid}
        site.call("create_snapshot", sid=sid, name="one", wait=30)
        return {"sid": sid, "name": "one"}
    if method == "migrate_secret":
        site.deploy(secret="before")
        return {"old_secret": "before", "new_secret": "after"}
    if method in ("plan_stack", "validate_stack"):
        return {"yaml": SHOP}
    if method == "run_plan":
        return site.handed()
    if method in ("get_plan", "apply_plan"):
        plan = site.plan()
        return {"plan_id": plan["plan_id"], **({"approve": list(plan["classes"])} if method == "apply_plan" else {})}
    if method in ("destroy_stack", "undo"):
        text = SHOP.replace(", protect: true", "")
        site.apply(text)
        if method == "undo":
            site.apply(text.replace("1 GiB", "2 GiB", 1))
        return {"stack": "shop", "approve": [kind.value for kind in Approval]}
    if method == "resume_stack":
        cancel(site, "apply_plan", params_for(site, "apply_plan"), at="image.*")
        return {"stack": "shop", "approve": [kind.value for kind in Approval]}
    if method in ("get_stack", "drift", "export", "state_log"):
        site.apply()
        return {"stack": "shop"}
    if method in ("get_job", "wait_job", "cancel_job"):
        site.deploy()
        return {"job_id": "j1", **({"timeout": 1} if method == "wait_job" else {})}
    if method == "get_slice":
        return {"slice_sid": "s1"}
    return {}


def until(condition: Callable[[], Any]) -> None:
    ends = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < ends
        threading.Event().wait(0.005)


def cancel(site: Site, method: str, params: dict[str, Any], at: str = "vm.*") -> int:
    """Begin a job whose first step takes long, cancel it, and return the code that it ends with."""
    site.behave(f'{{address: "{at}", step: "*", delay: 600 s}}')
    secret = str(params.get("secret") or params.get("old_secret") or "")
    before = {job["job_id"] for job in site.call("list_jobs", secret=secret)}
    asked = threading.Thread(target=lambda: site.code(method, params))
    asked.start()

    def begun() -> list[str]:
        return [job["job_id"] for job in site.call("list_jobs", secret=secret) if job["job_id"] not in before and job["steps"]["total"]]

    until(begun)
    [job] = begun()
    site.call("cancel_job", job_id=job, at_once=True, secret=secret)
    ended = site.call("wait_job", job_id=job, timeout=SECONDS, secret=secret)
    asked.join(SECONDS)
    site.behave("")
    return int(ended["error"]["code"])


@contextlib.contextmanager
def held(folder: Path, *stack: str) -> Iterator[None]:
    """Have another process hold the lock of the host, or of a stack."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), *stack], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield
        holder.communicate(timeout=30)


WAITING = {"wait": 30}


def waited(method: str, params: dict[str, Any]) -> dict[str, Any]:
    known = next(found for found in all_methods.methods() if found.name == method)
    return {**params, **(WAITING if "wait" in known.params.model_fields else {})}


UNKNOWN = {"sid": "vzzzzz", "stack": "nobody", "plan_id": "nothing", "job_id": "j99999", "slice_sid": "s99", "old_secret": "wrong"}


def not_found(site: Site, method: str, params: dict[str, Any]) -> int | None:
    if method == "resume_stack":
        # Where nothing waits, nothing is done.
        return site.code(method, waited(method, {**params, "which": "apply-99"}))
    return site.code(method, waited(method, {name: UNKNOWN.get(name, value) for name, value in params.items()}))


def wrong_state(site: Site, method: str, params: dict[str, Any]) -> int | None:
    if method == "validate_stack":
        # What is wrong with the state is a finding.
        (site.folder / "host.yaml").write_text("name: [", encoding="utf-8")
        return site.code(method, params)
    state = site.folder / "state.db"
    state.rename(site.folder / "away")
    try:
        return site.code(method, waited(method, params))
    finally:
        (site.folder / "away").rename(state)


def locked(site: Site, method: str, params: dict[str, Any]) -> int | None:
    with held(site.folder, *(["shop"] if method == "resume_stack" else [])):
        return site.code(method, waited(method, params))


def blocked(site: Site, method: str, params: dict[str, Any]) -> int | None:
    if "approve" in params:
        return site.code(method, waited(method, {**params, "approve": []}))
    if method == "delete_vm":
        site.apply()
        return site.code(method, waited(method, {"sid": site.sid("safe")}))
    # What another job has left of its apply is not this one's.
    if method == "run_plan":
        cancel(site, "apply_plan", params_for(site, "apply_plan"))
        return site.code(method, waited(method, site.handed()))
    if method == "migrate_secret":
        cancel(site, "restart_vm", {"sid": site.call("list_vms", secret="before")[-1]["sid"], "secret": "before"})
    elif method == "start_vm":
        cancel(site, method, params)
    elif method == "deploy_vm":
        # Before the VM is recorded: afterwards its name is taken.
        with (site.folder / "images.yaml").open("a", encoding="utf-8") as images:
            images.write(OTHER)
        params = {**params, "image": "other"}
        cancel(site, method, params, at="image.*")
        params = {**params, "slice_sid": "s4"}
    elif method == "clone_vm":
        cancel(site, method, params)
    else:
        cancel(site, "restart_vm", {"sid": params["sid"]})
    return site.code(method, waited(method, params))


def fail_really(site: Site, method: str, params: dict[str, Any], error: Exception) -> int | None:
    """Call a method whose hypervisor cannot be reached; a simulated one always can."""

    def fail(*_given: object, **_named: object) -> Any:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookups, "see", fail)
        for name in ("has_inside", "require_inside", "_require_running", "_agent"):
            patch.setattr(guests, name, lambda *_given: True)
        patch.setattr(programs, "run", fail)
        return site.code(method, waited(method, params))


def unavailable(site: Site, method: str, params: dict[str, Any]) -> int | None:
    if method in ("attach_hypervisor", "vm_exec"):
        return fail_really(site, method, params, errors.Permanent("its socket does not answer"))
    site.behave('{address: "vm.*", step: "*", fail: it does not}')
    return site.code(method, waited(method, params))


def timed_out(site: Site, method: str, params: dict[str, Any]) -> int | None:
    if method == "vm_exec":
        return fail_really(site, method, params, programs.NotEnded("`true` has not ended in time"))
    site.behave('{address: "vm.*", step: "*", fail: it timed out}')
    return site.code(method, waited(method, params))


def slice_in_use(site: Site, method: str, params: dict[str, Any]) -> int | None:
    return site.code(method, waited(method, {**params, **({"slices": ["s6"]} if method == "clone_vm" else {"slice_sid": "s6"})}))


def does_not_fit(site: Site, method: str, params: dict[str, Any]) -> int | None:
    if method == "deploy_vm":
        return site.code(method, waited(method, {**params, "memory_bytes": 2**45}))
    if method == "apply_plan":
        plan = site.plan(HUGE)
        return site.code(method, waited(method, {"plan_id": plan["plan_id"], "approve": ["create"]}))
    if method == "run_plan":
        return site.code(method, waited(method, site.handed(HUGE)))
    # The host has become too small for what it has promised.
    host = site.folder / "host.yaml"
    if method == "undo":
        site.apply(SHOP.replace(", protect: true", "").replace("front: {image: tiny, memory: 1 GiB}, ", ""))
    host.write_text(
        host.read_text(encoding="utf-8").replace("disk: 2 TiB", "disk: 1 MiB").replace("memory: 32 GiB", "memory: 3 GiB"), encoding="utf-8"
    )
    return site.code(method, waited(method, params))


def image_error(site: Site, method: str, params: dict[str, Any]) -> int | None:
    if method == "deploy_vm":
        return site.code(method, waited(method, {**params, "image": "nothing"}))
    if method == "clone_vm":
        # In its own stack the image of another one has to be fetched first.
        site.apply()
        params = {**params, "sid": site.sid("front")}
    if method == "undo":
        site.call("undo", **waited(method, params))
        params = {**params, "which": "apply-2"}
    site.behave('{address: "image.*", step: "*", fail: it does not}')
    return site.code(method, waited(method, params))


def stale(site: Site, method: str, params: dict[str, Any]) -> int | None:
    handed = site.handed(LARGER)
    plan = site.plan(LARGER)
    site.apply()
    if method == "run_plan":
        return site.code(method, waited(method, handed))
    return site.code(method, waited(method, {"plan_id": plan["plan_id"], "approve": list(plan["classes"])}))


WAYS: dict[int, Callable[[Site, str, dict[str, Any]], int | None]] = {
    error_codes.NOT_FOUND.code: not_found,
    error_codes.SLICE_IN_USE.code: slice_in_use,
    error_codes.WRONG_STATE.code: wrong_state,
    error_codes.DOES_NOT_FIT.code: does_not_fit,
    error_codes.LOCKED.code: locked,
    error_codes.STALE_PLAN.code: stale,
    error_codes.BLOCKED.code: blocked,
    error_codes.HYPERVISOR_UNAVAILABLE.code: unavailable,
    error_codes.IMAGE_ERROR.code: image_error,
    error_codes.TIMED_OUT.code: timed_out,
    error_codes.CANCELLED.code: cancel,
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have jobs wait for locks only so long that one which is held is an error."""
    monkeypatch.setattr(work, "LOCK_SECONDS", 0.3)
    monkeypatch.setattr(work, "EDIT_LOCK_SECONDS", 0.3)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("method", "code"), PAIRS)
def test_a_declared_error_comes_out(site: Site, method: str, code: int) -> None:
    assert WAYS[code](site, method, params_for(site, method)) == code
