"""From the bytes of a request to the bytes of its answer: each call finds its method, and whatever happens becomes an answer."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from herocloud.kits.jsons import Json
from herocloud.rpc.calls import error_answers, framing
from herocloud.rpc.calls.call_counts import UNKNOWN, CallCounts
from herocloud.rpc.calls.error_codes import METHOD_NOT_FOUND, RpcError
from herocloud.rpc.calls.framing import Call, Wrong
from herocloud.rpc.calls.method_table import Method
from herocloud.rpc.jobs import repetitions
from herocloud.rpc.jobs.desk import Desk
from herocloud.rpc.methods import infos

log = logging.getLogger(__name__)

Translate = Callable[[Exception, Method[Any], Mapping[str, Json]], RpcError | None]
"""Turns an exception into what a caller of a method with these parameters is answered; nothing for a defect."""


_SHORT = 1024


def is_quick(body: bytes, table: Mapping[str, Method[Any]]) -> bool:
    """Return whether a request is one short call of a method that is answered at once."""
    if len(body) > _SHORT:
        return False
    message = framing.read(body)
    call = message.members[0] if len(message.members) == 1 else None
    return isinstance(call, Call) and (method := table.get(call.method)) is not None and method.quick


class Answering(NamedTuple):
    """What every answer needs."""

    table: Mapping[str, Method[Any]]
    translate: Translate
    counts: CallCounts


def answer(body: bytes, desk: Desk, answering: Answering) -> bytes | None:
    """Answer a request; nothing when it holds only notifications."""
    message = framing.read(body)
    answers = [found for member in message.members if (found := _answer_one(member, desk, answering)) is not None]
    if message.batch:
        return framing.write_batch(answers) if answers else None
    return answers[0] if answers else None


def _answer_one(member: Call | Wrong, desk: Desk, answering: Answering) -> bytes | None:
    if isinstance(member, Wrong):
        return framing.write_error(member.id or "null", member.kind, error_answers.bad_request(member.why))
    method, code, began = answering.table.get(member.method), None, answering.counts.clock()
    try:
        result = _run(member, method, desk, answering.translate)
    except RpcError as error:
        code = error.kind.code
        return None if member.id is None else framing.write_error(member.id, error.kind, error.data)
    finally:
        answering.counts.add(UNKNOWN if method is None else method.name, began, code)
    return None if member.id is None else framing.write_result(member.id, result)


def _run(call: Call, method: Method[Any] | None, desk: Desk, translate: Translate) -> Json:
    if method is None:
        raise RpcError(METHOD_NOT_FOUND, error_answers.bad_request("There is no method of this name.", "`rpc.discover` lists them all"))
    try:
        checked = method.check(call.params)
        keyed = repetitions.recognize(method, checked, desk.caller, desk.digest)
        earlier = None if keyed is None else desk.jobs.repeat(keyed)
        if earlier is not None:
            return method.write(infos.job_info(earlier))
        return method.write(method.run(desk._replace(keyed=keyed), checked))
    except Exception as error:
        known = translate(error, method, method.named(call.params))
        if known is not None:
            raise known from error
        raise error_answers.defect(error, f"method `{method.name}`") from error
