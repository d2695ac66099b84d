"""Jobs: listed, looked at, waited for, cancelled."""

from typing import Annotated, Any

from pydantic import Field

from herocloud.rpc.calls import error_answers
from herocloud.rpc.calls.error_codes import NOT_FOUND
from herocloud.rpc.calls.method_table import Example, Method, declare
from herocloud.rpc.jobs.desk import Desk
from herocloud.rpc.jobs.job_marks import job_number
from herocloud.rpc.methods import infos
from herocloud.rpc.methods.answers import JobId, JobInfo, Secret
from herocloud.rpc.methods.vm_methods import _JOB
from herocloud.rpc.store.daemon_store import StoredJob


def _find(desk: Desk, identity: str, secret: str) -> StoredJob:
    number = job_number(identity)
    job = None if number is None else desk.jobs.find(number)
    if job is None or (job.secret is not None and job.secret != desk.digest(secret)):
        raise error_answers.not_found("no-such-job", "No such job", f"There is no job `{identity}`.", "`list_jobs` lists them")
    return job


@declare("jobs", example=Example({"limit": 10}, [_JOB]))
def list_jobs(
    desk: Desk,
    limit: Annotated[int, Field(ge=1, le=1000, description="How many to return at most.")] = 100,
    secret: Secret = "",
    open_only: Annotated[bool, Field(description="Only those that have not ended.")] = False,  # noqa: FBT002
) -> list[JobInfo]:
    """Return jobs, the newest first."""
    digest = desk.digest(secret)
    jobs = desk.jobs.newest(limit, digest, open_only=open_only)
    return [infos.job_info(job) for job in jobs if not open_only or job.ended is None]


@declare("jobs", example=Example({"job_id": "j1"}, _JOB), errors=(NOT_FOUND,))
def get_job(desk: Desk, job_id: JobId, secret: Secret = "") -> JobInfo:
    """Return one job, with its progress and, once it has ended, its result or error."""
    return infos.job_info(_find(desk, job_id, secret))


@declare("jobs", example=Example({"job_id": "j1", "timeout": 10}, _JOB), errors=(NOT_FOUND,))
def wait_job(
    desk: Desk,
    job_id: JobId,
    timeout: Annotated[float, Field(ge=0, le=300, description="Seconds to wait at most.")] = 30.0,
    secret: Secret = "",
) -> JobInfo:
    """Return a job as soon as it has ended, or as it is when the time is over.

    Whether it ended is in `status`; a wait that is over is not an error, so that a client can ask again.
    """
    job = _find(desk, job_id, secret)
    return infos.job_info(desk.jobs.wait(job.number, timeout) or job)


@declare("jobs", example=Example({"job_id": "j1", "secret": ""}, _JOB, "ended"), errors=(NOT_FOUND,))
def cancel_job(
    desk: Desk,
    job_id: JobId,
    secret: Secret = "",
    at_once: Annotated[bool, Field(description="Does not wait for the steps that run; they are asked how far they got later.")] = False,  # noqa: FBT002
) -> JobInfo:
    """Stop a job. One that waits never begins; one that runs ends after the steps that it is in.

    What it has done by then stays, and is listed as unfinished: `resume_stack` goes on with it or takes it back. A job that has ended
    stays as it is.
    """
    job = _find(desk, job_id, secret)
    return infos.job_info(desk.jobs.cancel(job.number, at_once=at_once) or job)


METHODS: tuple[Method[Any], ...] = (list_jobs, get_job, wait_job, cancel_job)
