"""Plans in files: one line that says what the file is, one line with the plan.

The first line holds a checksum over the exact bytes of the second, so that a file that was cut off, edited or mangled on its way between
two machines is refused before anything of it is believed. The checksum guards against accidents and not against people: anyone who may
write the file may run a plan anyway, and the mode keeps others from reading it.
"""

import shlex
from pathlib import Path
from typing import Any

from herocloud.kits import durable_files, jsons, plain_files
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.plans import Plan

FORMAT = "herocloud-plan"
VERSION = 1
_MOST_BYTES = 512 * 1024**2
"""A plan of ten thousand VMs has some forty MiB."""


def require_writable(path: Path) -> None:
    """Raise Refused for a name under which no plan can be saved.

    A plan is read from plain files alone, and a link could lead to a file that somebody else chose.
    """
    if path.is_symlink():
        detail = f"`{path}` is a link to `{path.readlink()}`, and a plan is not written through a link."
        hint = f"name the file itself, or remove the link: `rm {shlex.quote(str(path))}`"
    elif path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a pipe, a socket or a device"
        detail, hint = f"`{path}` is {kind}.", "give `--out` the name of a file that is plain, or not there yet"
    else:
        return
    raise Refused([Diagnostic("out-not-plain", "The plan cannot be saved there", detail, hint=hint)])


def write(path: Path, plan: Plan) -> None:
    """Save a plan, readable by its owner only."""
    require_writable(path)
    durable_files.write_where_named(path, dump(plan), mode=0o600)


def dump(plan: Plan) -> bytes:
    """Return a plan as its file has it."""
    import json

    import herocloud
    from herocloud.model import plan_codec

    body = json.dumps(plan_codec.encode_plan(plan), ensure_ascii=False, separators=(",", ":")).encode()
    head = {
        "format": FORMAT,
        "version": VERSION,
        "herocloud": herocloud.__version__,
        "checksum": checksum(body),
        "plan_id": plan.id,
        "stack": plan.stack,
        "lineage": plan.lineage,
    }
    return json.dumps(head, separators=(",", ":")).encode() + b"\n" + body + b"\n"


def read(path: Path) -> Plan:
    """Read a saved plan; raises Refused with the reason when it is none, damaged, or newer than this program."""
    try:
        content = plain_files.read(path, _MOST_BYTES)
    except FileNotFoundError:
        raise Refused(
            [
                Diagnostic(
                    "no-plan-file", "There is no such plan file", f"`{path}` does not exist.", hint="`herocloud plan --out FILE` writes one"
                )
            ]
        ) from None
    except plain_files.NotPlain as error:
        detail = f"`{path}` cannot be a plan: {error.strerror}."
        raise Refused([Diagnostic("not-a-plan", "Not a plan file", detail, hint="`herocloud plan --out FILE` writes one")]) from None
    return parse(path, content)


def parse(path: Path, content: bytes) -> Plan:
    """Return the plan in a file with this content; raises Refused as `read` does."""
    import json

    from herocloud.model import plan_codec, spec_shapes

    head, body = _take_apart(path, content)
    if head["version"] > VERSION:
        made_by = head.get("herocloud", "?")
        detail = f"`{path}` has version {head['version']} and was written by herocloud {made_by}; this program reads up to {VERSION}."
        raise Refused(
            [Diagnostic("plan-newer", "The plan file is newer than this program", detail, hint="use the newer herocloud, or plan again")]
        )
    if head.get("checksum") != checksum(body):
        raise _damaged(path, "its checksum does not fit its content")
    try:
        data = json.loads(body)
        plan = plan_codec.decode_plan(data)
        # A checksum says that nobody changed the file by accident, and nothing about who wrote it.
        if b"\\ud" in body.lower():
            json.dumps(data, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"it cannot be read ({error})") from error
    for change in plan.changes:
        for spec in (change.before, change.after):
            if spec is not None and (wrong := spec_shapes.judge(change.kind, spec)):
                raise _damaged(path, f"`{change.address}` does not describe a valid {change.kind}: {wrong}")
    return plan


def _take_apart(path: Path, content: bytes) -> tuple[dict[str, Any], bytes]:
    import json

    first, _, body = content.partition(b"\n")
    try:
        head = json.loads(first)
    except (ValueError, RecursionError):
        head = None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        detail = f"`{path}` does not begin like a plan that `herocloud plan --out` wrote."
        raise Refused([Diagnostic("not-a-plan", "Not a plan file", detail, hint="stack files are given with `-f`")])
    if type(head.get("version")) is not int or not isinstance(head.get("checksum"), str):
        raise _damaged(path, "it does not tell its version")
    return head, body.removesuffix(b"\n")


def checksum(body: bytes) -> str:
    """Return what the first line says of the second."""
    return jsons.blake2b(body, digest_size=16).hexdigest()


def _damaged(path: Path, why: str) -> Refused:
    return Refused([Diagnostic("plan-damaged", "The plan file is damaged", f"`{path}`: {why}.", hint="plan again")])
