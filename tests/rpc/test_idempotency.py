"""Idempotency keys: the same call with the same key is the same job, also when what it was about is gone."""

from collections.abc import Callable
from typing import Any

import pytest

from herocloud.operations import plan_files, stack_plans
from herocloud.operations.inputs import Sources
from herocloud.operations.stack_plans import Asked
from herocloud.rpc.client import Client

VOLUMES = "stack: shop\nvolumes: {data: {size: 1 GiB}}\n"


def deploy(daemon: Any) -> str:
    return str(daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)["sid"])


def plan(daemon: Any) -> str:
    return str(daemon.call("plan_stack", yaml=VOLUMES)["plan_id"])


def apply(daemon: Any) -> None:
    daemon.call("apply_plan", plan_id=plan(daemon), approve=["create"], wait=30)


def remove_everything(daemon: Any) -> None:
    for vm in daemon.call("list_vms"):
        daemon.call("delete_vm", sid=vm["sid"], wait=30)
    if any(stack["stack"] == "shop" and stack["resources"] for stack in daemon.call("list_stacks")):
        daemon.call("destroy_stack", stack="shop", approve=["destroy"], wait=30)


def _delete_vm(daemon: Any) -> dict[str, Any]:
    return {"sid": deploy(daemon)}


def _delete_snapshot(daemon: Any) -> dict[str, Any]:
    sid = deploy(daemon)
    daemon.call("create_snapshot", sid=sid, name="one", wait=30)
    return {"sid": sid, "name": "one"}


def _apply_plan(daemon: Any) -> dict[str, Any]:
    return {"plan_id": plan(daemon), "approve": ["create"]}


def _destroy_stack(daemon: Any) -> dict[str, Any]:
    apply(daemon)
    return {"stack": "shop", "approve": ["destroy"]}


def _undo(daemon: Any) -> dict[str, Any]:
    apply(daemon)
    return {"stack": "shop", "approve": ["destroy"]}


def _resume_stack(daemon: Any) -> dict[str, Any]:
    apply(daemon)
    return {"stack": "shop"}


def _on_a_vm(daemon: Any) -> dict[str, Any]:
    return {"sid": deploy(daemon)}


def _clone(daemon: Any) -> dict[str, Any]:
    return {"sid": deploy(daemon), "name": "copy"}


def _restore(daemon: Any) -> dict[str, Any]:
    return {**_delete_snapshot(daemon), "memory": False}


def _deploy(_daemon: Any) -> dict[str, Any]:
    return {"name": "db", "slice_sid": "s2", "image": "tiny"}


def _run_plan(daemon: Any) -> dict[str, Any]:
    made = stack_plans.make_plan(daemon.folder, Sources(("-",), stdin=VOLUMES), Asked(), make_key=True)
    return {"plan": plan_files.dump(made.plan).decode(), "options": {"approved": ["create"]}}


SCENES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "deploy_vm": _deploy,
    "stop_vm": _on_a_vm,
    "start_vm": _on_a_vm,
    "restart_vm": _on_a_vm,
    "delete_vm": _delete_vm,
    "create_snapshot": _on_a_vm,
    "restore_snapshot": _restore,
    "delete_snapshot": _delete_snapshot,
    "clone_vm": _clone,
    "apply_plan": _apply_plan,
    "destroy_stack": _destroy_stack,
    "undo": _undo,
    "resume_stack": _resume_stack,
    "run_plan": _run_plan,
}


def test_every_method_that_takes_a_key_is_tried_here(document: dict[str, Any]) -> None:
    keyed = {method["name"] for method in document["methods"] if any(one["name"] == "idempotency_key" for one in method["params"])}
    assert keyed == set(SCENES)


@pytest.mark.parametrize("method", SCENES)
def test_a_repetition_is_the_same_job_when_its_subject_is_gone(daemon: Any, method: str) -> None:
    asked = {**SCENES[method](daemon), "idempotency_key": "once"}
    first = daemon.call(method, **asked, wait=30)
    assert first["status"] == "done", first
    remove_everything(daemon)
    jobs = len(daemon.call("list_jobs"))
    assert daemon.call(method, **asked) == first
    assert len(daemon.call("list_jobs")) == jobs


@pytest.mark.parametrize("method", ["apply_plan", "delete_vm"])
def test_a_repetition_is_the_same_job_for_another_daemon(start: Any, method: str) -> None:
    daemon = start()
    asked = {**SCENES[method](daemon), "idempotency_key": "once"}
    first = daemon.call(method, **asked, wait=30)
    daemon.close()
    assert start().call(method, **asked) == first


@pytest.mark.parametrize(
    ("method", "given"),
    [("apply_plan", {"on_failure": "rollback"}), ("destroy_stack", {"purge": True}), ("undo", {"environment": {"A": "b"}})],
)
def test_the_same_key_with_any_other_parameter_is_another_request(daemon: Any, method: str, given: dict[str, Any]) -> None:
    asked = {**SCENES[method](daemon), "idempotency_key": "once"}
    daemon.call(method, **asked, wait=30)
    refused = daemon.refused(method, **asked, **given)
    assert refused.code == -32602
    assert "idempotency_key" in str(refused.data)


def test_approvals_are_the_same_in_any_order(daemon: Any) -> None:
    asked = {"plan_id": plan(daemon), "idempotency_key": "once"}
    first = daemon.call("apply_plan", **asked, approve=["create", "update"], wait=30)
    assert daemon.call("apply_plan", **asked, approve=["update", "create", "create"])["job_id"] == first["job_id"]


def test_a_key_tells_nothing_without_the_secret_or_under_another_one(daemon: Any) -> None:
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", secret="known", wait=30)["sid"]
    asked = {"sid": sid, "idempotency_key": "once"}
    first = daemon.call("delete_vm", **asked, secret="known", wait=30)
    for secret in ("", "guessed"):
        assert daemon.refused("delete_vm", **asked, secret=secret).code == -32001
    assert daemon.call("delete_vm", **asked, secret="known")["job_id"] == first["job_id"]


def test_the_job_of_a_key_goes_along_with_a_secret_that_changes(daemon: Any) -> None:
    asked = {"name": "web", "slice_sid": "s1", "image": "tiny", "idempotency_key": "once"}
    first = daemon.call("deploy_vm", **asked, secret="old", wait=30)
    daemon.call("migrate_secret", old_secret="old", new_secret="new")
    # Who knows the old secret only must not see the job, nor get a second VM.
    assert daemon.refused("deploy_vm", **asked, secret="old").code == -32002
    assert daemon.call("get_job", job_id=first["job_id"], secret="new")["status"] == "done"
    # Who asks again under the new one gets the first answer.
    assert daemon.call("deploy_vm", **asked, secret="new")["job_id"] == first["job_id"]


def test_the_client_that_lost_the_answer_of_a_deletion_gets_the_job(daemon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from herocloud.rpc.client import ConnectionLost

    sid = deploy(daemon)
    with Client(daemon.path) as client:
        sent, lost = client._post, []

        def lose_the_first(body: bytes) -> bytes:
            answer = sent(body)
            if not lost:
                lost.append(answer)
                raise ConnectionLost("the answer was lost")
            return answer

        monkeypatch.setattr(client, "_post", lose_the_first)
        assert client.delete_vm(sid, wait=30.0)["status"] == "done"
        assert lost
