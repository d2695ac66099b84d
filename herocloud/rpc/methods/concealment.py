"""Names of VMs behind a secret, taken out of what planner and locks say about the rest of the host.

A plan of one caller may meet what another has hidden: a slice that is pinned already, a lock that is held. What is said of it stays true,
and does not name it.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from herocloud.kits.jsons import Json
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Recorded
from herocloud.rpc.jobs.job_marks import SECRET_LABEL

NOBODY = "another VM"


def conceal(value: Json, recorded: Recorded, digest: str | None, unrecorded: Iterable[tuple[StackName, Address]] = ()) -> Json:
    """Return texts without the names of VMs that a caller with this digest of a secret may not know of.

    `unrecorded` are those among them that have no record.
    """
    names = [_pattern(re.escape(stack), re.escape(address)) for stack, address in unrecorded]
    names += [
        _pattern(re.escape(record.stack), re.escape(record.address))
        for records in recorded.records.values()
        for record in records.values()
        if (record.spec.get("labels") or {}).get(SECRET_LABEL) not in (None, digest)
    ]
    return _replace(value, re.compile("|".join(names)), NOBODY) if names else value


def without_folders(value: Json, root: Path) -> Json:
    """Return texts without the folders of uploads: callers know their files by the names that they sent."""
    return _replace(value, re.compile(re.escape(f"{root / 'stacks'}{os.sep}") + r"[^/`]+/"), "")


def _pattern(stack: str, address: str) -> str:
    """Match the ways in which things of another stack are named."""
    return rf"`?{address}`? of stack `?{stack}\b`?|\b{stack}/{address}(?![\w\[])|\b{address} --stack {stack}\b"


def _replace(value: Json, pattern: re.Pattern[str], word: str) -> Json:
    if isinstance(value, str):
        return pattern.sub(word, value)
    if isinstance(value, dict):
        return {key: _replace(one, pattern, word) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_replace(item, pattern, word) for item in value]
    return value
