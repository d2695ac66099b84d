"""How jobs are known: the id that callers see, and the digest of a secret without which they see none."""

from herocloud.kits.jsons import Json

SECRET_LABEL = "herocloud.secret"  # noqa: S105  (the name of a label)
"""Holds the keyed digest of a VM's secret. A label follows its VM through renames, restores and undo, and dies with it."""


def secret_in(spec: Json) -> str | None:
    """Return the digest of the secret of a VM by its spec; nothing for one that everybody may know of."""
    found = ((spec or {}).get("labels") or {}).get(SECRET_LABEL)
    return str(found) if found else None


def job_id(number: int) -> str:
    """Return the id that callers know a job by."""
    return f"j{number}"


def job_number(identity: str) -> int | None:
    """Return the number in an id; nothing when it is not one."""
    digits = identity[1:]
    return int(digits) if identity[:1] == "j" and digits.isdecimal() and digits.isascii() and len(digits) <= 15 else None
