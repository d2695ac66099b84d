"""`fmt`: stack files in the canonical layout."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import files
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused

STDIN = "-"


class Laid(NamedTuple):
    """One file, before and after."""

    file: str
    before: str
    after: str

    @property
    def changed(self) -> bool:
        """Tell whether the layout differs."""
        return self.before != self.after


def lay_out(names: Sequence[str], stdin: str | None) -> list[Laid]:
    """Format files without writing any; raises Refused with every file that cannot be."""
    from herocloud.stack import formatting

    found: list[Laid] = []
    wrong: list[Diagnostic] = []
    for name in names:
        before = stdin or "" if name == STDIN else _read(name, wrong)
        if before is None:
            continue
        formatted = formatting.format_text(before, name)
        wrong += [one for one in formatted.diagnostics if one.is_error]
        if formatted.text is not None:
            found.append(Laid(name, before, formatted.text))
    if wrong:
        raise Refused(wrong)
    return found


def write(laid: Sequence[Laid]) -> None:
    """Put the new layout into every file that differs, keeping its mode."""
    for one in laid:
        if one.changed and one.file != STDIN:
            path = Path(one.file).resolve()
            files.write_where_named(path, one.after.encode("utf-8", "surrogateescape"), mode=path.stat().st_mode & 0o777)


def difference(one: Laid) -> str:
    """Return what formatting changes, as a unified diff."""
    import difflib

    lines = difflib.unified_diff(one.before.splitlines(), one.after.splitlines(), one.file, f"{one.file} (formatted)", lineterm="")
    return "\n".join(lines)


def _read(name: str, wrong: list[Diagnostic]) -> str | None:
    try:
        return Path(name).read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        wrong.append(
            Diagnostic("file-unreadable", "A stack file cannot be read", f"`{name}`: {error.strerror}.", hint="name it with `-f FILE`")
        )
        return None
