"""The methods of the daemon. Generated from `openrpc.json` by `scripts/openrpc`; not edited by hand."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Literal, cast

from herocloud.rpc.client.schema_types import (
    AttachInfo,
    DriftReport,
    EventPage,
    ExecInfo,
    ExportedStack,
    HealthInfo,
    JobInfo,
    LogEntry,
    LogLines,
    MigratedSecret,
    NodeInfo,
    OrphanInfo,
    PlanInfo,
    ResourcesInfo,
    RunOptions,
    SliceInfo,
    SnapshotInfo,
    StackInfo,
    UnfinishedInfo,
    ValidationInfo,
    VmInfo,
)


class AsyncMethods:
    """One method for each of the daemon's."""

    @abstractmethod
    async def call(self, method: str, params: Mapping[str, Any]) -> Any:
        """Call any method by its name."""

    async def node_register(
        self,
    ) -> NodeInfo:
        """Detect the hardware again, and create the slices that its memory allows.

        Slices that VMs hold keep their ids. Memory that grew adds slices; memory that shrank below what is in use is
        refused, with the names of the VMs. Calling it again changes nothing.
        """
        return cast("NodeInfo", await self.call("node_register", {}))

    async def node_status(
        self,
    ) -> NodeInfo:
        """Return the machine, its slices, and how many VMs it has."""
        return cast("NodeInfo", await self.call("node_status", {}))

    async def list_slices(
        self,
        secret: str = "",
    ) -> list[SliceInfo]:
        """Return every slice, free or in use.

        A slice whose VM has another secret shows `InUse` and no name.
        """
        return cast("list[SliceInfo]", await self.call("list_slices", {"secret": secret}))

    async def get_slice(
        self,
        slice_sid: str,
        *,
        secret: str = "",
    ) -> SliceInfo:
        """Return one slice."""
        return cast("SliceInfo", await self.call("get_slice", {"slice_sid": slice_sid, "secret": secret}))

    async def deploy_vm(
        self,
        name: str,
        slice_sid: str,
        image: str,
        *,
        cpu_count: int = 1,
        secret: str = "",
        idempotency_key: str | None = None,
        wait: float = 0.0,
        more_slices: list[str] | None = None,
        memory_bytes: int | None = None,
        disk_bytes: int | None = None,
        ssh_keys: list[str] | None = None,
        user_data: str | None = None,
        env: dict[str, str] | None = None,
        labels: dict[str, str] | None = None,
        restart: Literal["no", "on-failure", "always"] = "no",
        mycelium: bool = False,
        hypervisor: Literal["auto", "cloud-hypervisor", "qemu", "simulator"] = "auto",
    ) -> JobInfo:
        """Deploy a VM on a free slice.

        The slice is marked InUse, and is Free again when the VM is deleted or its deployment fails. Everything is
        checked before anything is done. Of several callers who want one slice, one gets it, and the others get the
        error that it is in use. The answer is a job; its `sid` is the VM's.
        """
        return cast(
            "JobInfo",
            await self.call(
                "deploy_vm",
                {
                    "name": name,
                    "slice_sid": slice_sid,
                    "image": image,
                    "cpu_count": cpu_count,
                    "secret": secret,
                    "idempotency_key": idempotency_key,
                    "wait": wait,
                    "more_slices": more_slices,
                    "memory_bytes": memory_bytes,
                    "disk_bytes": disk_bytes,
                    "ssh_keys": ssh_keys,
                    "user_data": user_data,
                    "env": env,
                    "labels": labels,
                    "restart": restart,
                    "mycelium": mycelium,
                    "hypervisor": hypervisor,
                },
            ),
        )

    async def list_vms(
        self,
        secret: str = "",
        *,
        stack: str | None = None,
    ) -> list[VmInfo]:
        """Return the VMs with what each is doing.

        With a secret: only those that were deployed with it. Without one: those that were deployed without.
        """
        return cast("list[VmInfo]", await self.call("list_vms", {"secret": secret, "stack": stack}))

    async def get_vm(
        self,
        sid: str,
        *,
        secret: str = "",
    ) -> VmInfo:
        """Return one VM."""
        return cast("VmInfo", await self.call("get_vm", {"sid": sid, "secret": secret}))

    async def stop_vm(
        self,
        sid: str,
        *,
        force: bool = False,
        timeout: float = 60.0,
        secret: str = "",
        idempotency_key: str | None = None,
        wait: float = 0.0,
    ) -> JobInfo:
        """Shut a VM down. It keeps its slice, its disk and its addresses.

        The guest is asked first, for `timeout` seconds; then its power is cut. Nobody brings it back but `start_vm`.
        """
        return cast(
            "JobInfo",
            await self.call(
                "stop_vm",
                {"sid": sid, "force": force, "timeout": timeout, "secret": secret, "idempotency_key": idempotency_key, "wait": wait},
            ),
        )

    async def start_vm(
        self,
        sid: str,
        *,
        secret: str = "",
        idempotency_key: str | None = None,
        wait: float = 0.0,
    ) -> JobInfo:
        """Boot a stopped VM. One that runs already stays as it is."""
        return cast(
            "JobInfo", await self.call("start_vm", {"sid": sid, "secret": secret, "idempotency_key": idempotency_key, "wait": wait})
        )

    async def restart_vm(
        self,
        sid: str,
        *,
        secret: str = "",
        idempotency_key: str | None = None,
        wait: float = 0.0,
    ) -> JobInfo:
        """Shut a VM down and boot it again, as one plan: a crash between the two does not leave it off."""
        return cast(
            "JobInfo", await self.call("restart_vm", {"sid": sid, "secret": secret, "idempotency_key": idempotency_key, "wait": wait})
        )

    async def attach_hypervisor(
        self,
        sid: str,
        *,
        secret: str = "",
    ) -> AttachInfo:
        """Look whether the hypervisor's process of a VM is there, and take hold of it again.

        VMs are attached from the moment they are deployed, also over restarts of the daemon; calling this is never
        needed, and does no harm.
        """
        return cast("AttachInfo", await self.call("attach_hypervisor", {"sid": sid, "secret": secret}))

    async def vm_logs(
        self,
        sid: str,
        *,
        lines: int = 100,
        follow_from: int | None = None,
        secret: str = "",
    ) -> LogLines:
        """Return what a VM wrote to its serial console, as plain text.

        Ask again with `follow_from` to read on. A simulated VM writes nothing.
        """
        return cast("LogLines", await self.call("vm_logs", {"sid": sid, "lines": lines, "follow_from": follow_from, "secret": secret}))

    async def vm_exec(
        self,
        sid: str,
        command: str,
        *,
        args: list[str] | None = None,
        input: str | None = None,
        timeout: float = 30.0,
        secret: str = "",
    ) -> ExecInfo:
        """Run a program in the guest of a VM, and return what it said.

        The answer comes when the program has ended, and is kept nowhere: what programs print may be secret. The guest
        of a simulated VM has only `echo`, `cat`, `true` and `false`.
        """
        return cast(
            "ExecInfo",
            await self.call(
                "vm_exec", {"sid": sid, "command": command, "args": args, "input": input, "timeout": timeout, "secret": secret}
            ),
        )

    async def migrate_secret(
        self,
        old_secret: str,
        new_secret: str,
    ) -> MigratedSecret:
        """Give every VM that has one secret another one.

        Their jobs and events go along. Nothing is found when no VM has the old secret.
        """
        return cast("MigratedSecret", await self.call("migrate_secret", {"old_secret": old_secret, "new_secret": new_secret}))

    async def create_snapshot(
        self,
        sid: str | None = None,
        *,
        name: str | None = None,
        memory: bool = False,
        sids: list[str] | None = None,
        secret: str = "",
        idempotency_key: str | None = None,
        wait: float = 0.0,
    ) -> JobInfo:
        """Take a snapshot of a VM, or of several at one moment.

        A VM that runs is paused while its disks are copied, and goes on whatever becomes of the copies. Several VMs
        are all held before the first copy, and none goes on before the last. The result of the job is the list of the
        snapshots.
        """
        return cast(
            "JobInfo",
            await self.call(
                "create_snapshot",
                {
                    "sid": sid,
                    "name": name,
                    "memory": memory,
                    "sids": sids,
                    "secret": secret,
                    "idempotency_key": idempotency_key,
                    "wait": wait,
                },
            ),
        )

    async def list_snapshots(
        self,
        secret: str = "",
        *,
        sid: str | None = None,
    ) -> list[SnapshotInfo]:
        """Return the snapshots of the VMs, those of one VM oldest first.

        With a secret: only those of VMs that were deployed with it. Without one: those of VMs that were deployed
        without.
        """
        return cast("list[SnapshotInfo]", await self.call("list_snapshots", {"secret": secret, "sid": sid}))

    async def restore_snapshot(
        self,
        sid: str,
        name: str,
        *,
        secret: str = "",
        idempotency_key: str | None = None,
        wait: float = 0.0,
        memory: bool = True,
    ) -> JobInfo:
        """Put what a snapshot holds in the place of what a VM has.

        The call is the consent; a protected VM stays as it is. What the VM has now is kept for a time, and `undo`
        brings it back.
        """
        return cast(
            "JobInfo",
            await self.call(
                "restore_snapshot",
                {"sid": sid, "name": name, "secret": secret, "idempotency_key": idempotency_key, "wait": wait, "memory": memory},
            ),
        )

    async def delete_snapshot(
        self,
        sid: str,
        name: str,
        *,
        secret: str = "",
        idempotency_key: str | None = None,
        wait: float = 0.0,
        purge: bool = False,
    ) -> JobInfo:
        """Delete a snapshot of a VM.

        The call is the consent. Its data is kept for a time, so that `undo` can bring it back, unless `purge` is true.
        """
        return cast(
            "JobInfo",
            await self.call(
                "delete_snapshot",
                {"sid": sid, "name": name, "secret": secret, "idempotency_key": idempotency_key, "wait": wait, "purge": purge},
            ),
        )

    async def clone_vm(
        self,
        sid: str,
        name: str,
        *,
        secret: str = "",
        idempotency_key: str | None = None,
        wait: float = 0.0,
        snapshot: str | None = None,
        slices: list[str] | None = None,
    ) -> JobInfo:
        """Make a new VM from copies of the disks of a VM.

        It belongs to the stack `imperative`, has addresses, MACs and an identity of its own, and is behind the same
        secret. Without a snapshot one is taken, and is deleted when the clone is there. The job and its `sid` are the
        new VM's. What the original has in memory is not copied.
        """
        return cast(
            "JobInfo",
            await self.call(
                "clone_vm",
                {
                    "sid": sid,
                    "name": name,
                    "secret": secret,
                    "idempotency_key": idempotency_key,
                    "wait": wait,
                    "snapshot": snapshot,
                    "slices": slices,
                },
            ),
        )

    async def delete_vm(
        self,
        sid: str,
        *,
        secret: str = "",
        idempotency_key: str | None = None,
        wait: float = 0.0,
        purge: bool = False,
    ) -> JobInfo:
        """Delete a VM, and free its slice.

        The call is the consent; a protected VM stays. Its data is kept for a time, so that `undo` can bring it back,
        unless `purge` is true.
        """
        return cast(
            "JobInfo",
            await self.call("delete_vm", {"sid": sid, "secret": secret, "idempotency_key": idempotency_key, "wait": wait, "purge": purge}),
        )

    async def validate_stack(
        self,
        yaml: str | None = None,
        *,
        variables: dict[str, str] | None = None,
        contents: dict[str, str] | None = None,
        files: dict[str, str] | None = None,
        environment: dict[str, str] | None = None,
    ) -> ValidationInfo:
        """Return every finding about a stack, all mistakes at once.

        What is wrong is not an error of the call: `valid` says it, with the diagnostics of `herocloud validate
        --json`.
        """
        return cast(
            "ValidationInfo",
            await self.call(
                "validate_stack", {"yaml": yaml, "variables": variables, "contents": contents, "files": files, "environment": environment}
            ),
        )

    async def plan_stack(
        self,
        yaml: str | None = None,
        *,
        variables: dict[str, str] | None = None,
        contents: dict[str, str] | None = None,
        plan_name: str | None = None,
        files: dict[str, str] | None = None,
        environment: dict[str, str] | None = None,
        target: list[str] | None = None,
        exclude: list[str] | None = None,
        replace: list[str] | None = None,
    ) -> PlanInfo:
        """Show what applying a stack would do, and keep the plan for `apply_plan` for an hour.

        Nothing is locked or changed. `plan` is the document of `herocloud plan --json`.
        """
        return cast(
            "PlanInfo",
            await self.call(
                "plan_stack",
                {
                    "yaml": yaml,
                    "variables": variables,
                    "contents": contents,
                    "plan_name": plan_name,
                    "files": files,
                    "environment": environment,
                    "target": target,
                    "exclude": exclude,
                    "replace": replace,
                },
            ),
        )

    async def get_plan(
        self,
        plan_id: str,
    ) -> PlanInfo:
        """Return a plan that was made within the last hour."""
        return cast("PlanInfo", await self.call("get_plan", {"plan_id": plan_id}))

    async def apply_plan(
        self,
        plan_id: str,
        *,
        approve: list[Literal["create", "update", "stop", "reboot", "replace", "destroy"]] | None = None,
        idempotency_key: str | None = None,
        wait: float = 0.0,
        on_failure: Literal["stop", "continue", "rollback"] = "stop",
    ) -> JobInfo:
        """Run a plan that was made before, exactly as it was shown.

        What it relies on is looked at again; a fact that changed is -32006, and names the fact.
        """
        return cast(
            "JobInfo",
            await self.call(
                "apply_plan",
                {"plan_id": plan_id, "approve": approve, "idempotency_key": idempotency_key, "wait": wait, "on_failure": on_failure},
            ),
        )

    async def list_stacks(
        self,
        secret: str = "",
    ) -> list[StackInfo]:
        """Return every stack of which something is recorded."""
        return cast("list[StackInfo]", await self.call("list_stacks", {"secret": secret}))

    async def get_stack(
        self,
        stack: str,
        *,
        secret: str = "",
    ) -> StackInfo:
        """Return one stack with its addresses and outputs."""
        return cast("StackInfo", await self.call("get_stack", {"stack": stack, "secret": secret}))

    async def drift(
        self,
        stack: str | None = None,
        *,
        secret: str = "",
    ) -> DriftReport:
        """Compare the world with the records; the lists are empty where they agree."""
        return cast("DriftReport", await self.call("drift", {"stack": stack, "secret": secret}))

    async def export(
        self,
        stack: str | None = None,
        *,
        addresses: list[str] | None = None,
        secret: str = "",
    ) -> list[ExportedStack]:
        """Return the YAML of what exists; planning it again changes nothing."""
        return cast("list[ExportedStack]", await self.call("export", {"stack": stack, "addresses": addresses, "secret": secret}))

    async def destroy_stack(
        self,
        stack: str,
        *,
        approve: list[Literal["create", "update", "stop", "reboot", "replace", "destroy"]] | None = None,
        idempotency_key: str | None = None,
        wait: float = 0.0,
        purge: bool = False,
    ) -> JobInfo:
        """Remove everything that a stack owns. Its data is kept for a time, so that `undo` can bring it back, unless `purge` is true.

        An apply of it that did not end is closed once that is approved, and what it made goes with the rest.
        """
        return cast(
            "JobInfo",
            await self.call(
                "destroy_stack", {"stack": stack, "approve": approve, "idempotency_key": idempotency_key, "wait": wait, "purge": purge}
            ),
        )

    async def undo(
        self,
        which: str | None = None,
        *,
        stack: str | None = None,
        approve: list[Literal["create", "update", "stop", "reboot", "replace", "destroy"]] | None = None,
        idempotency_key: str | None = None,
        wait: float = 0.0,
        secret: str = "",
        environment: dict[str, str] | None = None,
    ) -> JobInfo:
        """Take back what an apply did, as a plan of its own that needs its own approval."""
        return cast(
            "JobInfo",
            await self.call(
                "undo",
                {
                    "which": which,
                    "stack": stack,
                    "approve": approve,
                    "idempotency_key": idempotency_key,
                    "wait": wait,
                    "secret": secret,
                    "environment": environment,
                },
            ),
        )

    async def resume_stack(
        self,
        stack: str | None = None,
        *,
        rollback: bool = False,
        approve: list[Literal["create", "update", "stop", "reboot", "replace", "destroy"]] | None = None,
        idempotency_key: str | None = None,
        wait: float = 0.0,
        which: str | None = None,
        secret: str = "",
        environment: dict[str, str] | None = None,
    ) -> JobInfo:
        """Finish an apply that did not end, or take it back.

        It is the newest of `stack`, or the one that `which` names, for which no stack has to be given. Where nothing
        waits, nothing is done, the job is done, and its note says what leads on from an apply that failed. There is
        nothing to take back then either, which is an error, and so is the name of an apply that does not wait.
        """
        return cast(
            "JobInfo",
            await self.call(
                "resume_stack",
                {
                    "stack": stack,
                    "rollback": rollback,
                    "approve": approve,
                    "idempotency_key": idempotency_key,
                    "wait": wait,
                    "which": which,
                    "secret": secret,
                    "environment": environment,
                },
            ),
        )

    async def list_unfinished(
        self,
        secret: str = "",
    ) -> list[UnfinishedInfo]:
        """Return the applies that did not end and on which nobody works; `resume_stack` goes on with one or takes it back."""
        return cast("list[UnfinishedInfo]", await self.call("list_unfinished", {"secret": secret}))

    async def list_orphans(
        self,
        secret: str = "",
    ) -> list[OrphanInfo]:
        """Return what carries our mark and no record owns, as where an older state was put back.

        It keeps running, and what it holds is given to nobody. `herocloud state adopt` records it again, `herocloud
        state gc` removes it.
        """
        return cast("list[OrphanInfo]", await self.call("list_orphans", {"secret": secret}))

    async def state_log(
        self,
        stack: str | None = None,
        *,
        limit: int = 100,
        secret: str = "",
    ) -> list[LogEntry]:
        """Return what changed the state, newest first: who did what, and how it ended.

        What was done to VMs behind other secrets is left out.
        """
        return cast("list[LogEntry]", await self.call("state_log", {"stack": stack, "limit": limit, "secret": secret}))

    async def resources(
        self,
        secret: str = "",
    ) -> ResourcesInfo:
        """Return capacity, effective limit, allocated and available amounts of the host, and what each VM holds.

        Amounts are those that a plan counts with: of the disk, snapshots, volumes, stored images and deleted data that
        is kept count as well.
        """
        return cast("ResourcesInfo", await self.call("resources", {"secret": secret}))

    async def list_jobs(
        self,
        limit: int = 100,
        *,
        secret: str = "",
        open_only: bool = False,
    ) -> list[JobInfo]:
        """Return jobs, the newest first."""
        return cast("list[JobInfo]", await self.call("list_jobs", {"limit": limit, "secret": secret, "open_only": open_only}))

    async def get_job(
        self,
        job_id: str,
        *,
        secret: str = "",
    ) -> JobInfo:
        """Return one job, with its progress and, once it has ended, its result or error."""
        return cast("JobInfo", await self.call("get_job", {"job_id": job_id, "secret": secret}))

    async def wait_job(
        self,
        job_id: str,
        *,
        timeout: float = 30.0,
        secret: str = "",
    ) -> JobInfo:
        """Return a job as soon as it has ended, or as it is when the time is over.

        Whether it ended is in `status`; a wait that is over is not an error, so that a client can ask again.
        """
        return cast("JobInfo", await self.call("wait_job", {"job_id": job_id, "timeout": timeout, "secret": secret}))

    async def cancel_job(
        self,
        job_id: str,
        *,
        secret: str = "",
        at_once: bool = False,
    ) -> JobInfo:
        """Stop a job. One that waits never begins; one that runs ends after the steps that it is in.

        What it has done by then stays, and is listed as unfinished: `resume_stack` goes on with it or takes it back. A
        job that has ended stays as it is.
        """
        return cast("JobInfo", await self.call("cancel_job", {"job_id": job_id, "secret": secret, "at_once": at_once}))

    async def run_plan(
        self,
        plan: str | None = None,
        *,
        options: RunOptions | None = None,
        environment: dict[str, str] | None = None,
        idempotency_key: str | None = None,
        wait: float = 0.0,
    ) -> JobInfo | None:
        """Run a plan that the command line made, as a job that goes on when the command is gone; or go on with an apply that did not end.

        A plan may hold any step with any path, so only the user that the daemon runs as may hand one over, over the
        unix socket; for anybody else it is -32007. Without a plan, and without an apply to go on with, nothing is
        done. The events of the job carry every event of the apply.
        """
        return cast(
            "JobInfo | None",
            await self.call(
                "run_plan", {"plan": plan, "options": options, "environment": environment, "idempotency_key": idempotency_key, "wait": wait}
            ),
        )

    async def rpc_discover(
        self,
    ) -> dict[str, Any]:
        """Return the OpenRPC document of this service.

        The same as `GET /openrpc.json`.
        """
        return cast("dict[str, Any]", await self.call("rpc.discover", {}))

    async def rpc_health(
        self,
    ) -> HealthInfo:
        """Return whether the daemon can work, and if not, why.

        The same as `GET /health`, whose status code is 503 while the daemon is not ready.
        """
        return cast("HealthInfo", await self.call("rpc.health", {}))

    async def events(
        self,
        from_: int = 0,
        *,
        limit: int = 100,
        secret: str = "",
    ) -> EventPage:
        """Return events from a number on, oldest first.

        Ask again with `next` to go on. `GET /events` streams the same events as they happen.
        """
        return cast("EventPage", await self.call("events", {"from": from_, "limit": limit, "secret": secret}))
