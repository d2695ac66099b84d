"""Stack files without a plan: `init` starts one, `validate` looks at one, `fmt` lays one out."""

import re
from collections.abc import Sequence
from pathlib import Path

from herocloud.kits import durable_files, plain_files
from herocloud.kits.jsons import Json
from herocloud.kits.named_tuples import NamedTuple
from herocloud.kits.yaml.documents import MAX_BYTES
from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.worlds import Desired
from herocloud.operations import inputs, lookups
from herocloud.operations.inputs import Sources
from herocloud.stack import starter


class Inspected(NamedTuple):
    """A stack that can be planned."""

    desired: Desired
    notes: tuple[Diagnostic, ...]


def validate(folder: Path, stack: Sources) -> tuple[Diagnostic, ...]:
    """Return every finding about the stack files and the host file."""
    try:
        host = inputs.find_host(folder, lookups.read_recorded(folder))
    except Refused as refused:
        loaded = inputs.load(folder, stack, None)
        return (*refused.diagnostics, *loaded.diagnostics)
    loaded = inputs.load(folder, stack, host.host)
    return (*host.diagnostics, *loaded.diagnostics)


def inspect(folder: Path, stack: Sources) -> Inspected:
    """Load the stack; raises Refused with everything that is wrong."""
    host = inputs.find_host(folder, lookups.read_recorded(folder))
    loaded = inputs.load(folder, stack, host.host)
    if loaded.desired is None:
        raise Refused([*host.diagnostics, *loaded.diagnostics])
    return Inspected(loaded.desired, (*host.diagnostics, *loaded.diagnostics))


def schema() -> Json:
    """Return the JSON Schema of stack files."""
    from herocloud.stack.fields import json_schema as stacks

    return stacks.stack_schema()


STDIN = "-"


class Laid(NamedTuple):
    """One file, before and after."""

    file: str
    before: str
    after: str

    @property
    def changed(self) -> bool:
        """Return whether the layout differs."""
        return self.before != self.after


def lay_out(names: Sequence[str], stdin: str | None) -> list[Laid]:
    """Format files without writing any; raises Refused with every file that cannot be."""
    from herocloud.stack.layout import canonical

    laid: list[Laid] = []
    wrong: list[Diagnostic] = []
    for name in names:
        before = stdin or "" if name == STDIN else _read(name, wrong)
        if before is None:
            continue
        formatted = canonical.format_text(before, name)
        wrong += [diagnostic for diagnostic in formatted.diagnostics if diagnostic.is_error]
        if formatted.text is not None:
            laid.append(Laid(name, before, formatted.text))
    if wrong:
        raise Refused(wrong)
    return laid


def write(laid: Sequence[Laid]) -> None:
    """Put the new layout into every file that differs, keeping its mode."""
    for layout in laid:
        if layout.changed and layout.file != STDIN:
            path = Path(layout.file).resolve()
            durable_files.write_where_named(path, layout.after.encode("utf-8", "surrogateescape"), mode=path.stat().st_mode & 0o777)


def difference(layout: Laid) -> str:
    """Return what formatting changes, as a unified diff."""
    import difflib

    lines = difflib.unified_diff(
        layout.before.splitlines(), layout.after.splitlines(), layout.file, f"{layout.file} (formatted)", lineterm=""
    )
    return "\n".join(lines)


def _read(name: str, wrong: list[Diagnostic]) -> str | None:
    try:
        return plain_files.read(name, MAX_BYTES).decode("utf-8", "surrogateescape")
    except OSError as error:
        wrong.append(
            Diagnostic("file-unreadable", "A stack file cannot be read", f"`{name}`: {error.strerror}.", hint="name it with `-f FILE`")
        )
        return None


STACK = "stack.yaml"
IGNORE = ".gitignore"


class Started(NamedTuple):
    """What was written."""

    stack: Path
    ignore: Path | None
    """Nothing when the file said all of it already."""


def start(folder: Path) -> Started:
    """Write the starter; a stack file that is there already is never touched."""
    target = folder / STACK
    if target.exists():
        detail = f"`{target}` exists, and nothing was written."
        raise Refused(
            [Diagnostic("already-started", "There is a stack file already", detail, hint="give another folder: `herocloud init DIR`")]
        )
    folder.mkdir(parents=True, exist_ok=True)
    texts = starter.starter_stack(_name_for(folder))
    durable_files.write_durably(target, texts[STACK].encode(), mode=0o644)
    return Started(target, _ignore(folder / IGNORE, texts[IGNORE]))


def _name_for(folder: Path) -> str:
    """Make a stack's name out of a folder's."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:63].rstrip("-")
    return name if ids.NAME.match(name) else "first"


def _ignore(path: Path, text: str) -> Path | None:
    """Add to what git ignores already; a file that says it all stays as it is."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    missing = [line for line in text.splitlines() if line not in before.splitlines()]
    if not any(line and not line.startswith("#") for line in missing):
        return None
    gap = "" if not before or before.endswith("\n") else "\n"
    path.write_text(before + gap + "".join(f"{line}\n" for line in missing), encoding="utf-8")
    return path
