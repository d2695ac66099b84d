"""What callers send with a stack: its files, and the content of everything that it names, in a folder of the daemon's own.

The folder is named after the stack and not after the call, because the paths of secrets stand in the records: under a new name each time,
every plan would find them changed. It lies in the runtime folder, which a reboot empties, and beside it a file with the data folder that it
is for: daemons of several data folders may have one runtime folder.
"""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from herocloud.kits import jsons
from herocloud.model.worlds import Desired
from herocloud.operations.inputs import Sources
from herocloud.rpc.calls import error_answers
from herocloud.stack import declared_name
from herocloud.stack import variables as names
from herocloud.stack.catalogue import IMAGE_FILES
from herocloud.stack.fence import Fence

MOST_FILES = 256
_NAME = re.compile(r"^(?!.*(^|/)\.\.?(/|$))[A-Za-z0-9_][A-Za-z0-9_./ -]{0,199}$")
STACK_FILE = "stack.yaml"
_OWNER = ".of"
"""What the name of the file with the data folder ends with; no name of a folder has a dot."""


def receive(
    root: Path,
    owner: Path,
    files: Mapping[str, str],
    contents: Mapping[str, str],
    variables: Mapping[str, str],
    environment: Mapping[str, str],
    host_paths: tuple[str, ...],
) -> Sources:
    """Write down what a caller sent to the daemon of this data folder, `owner`; returns what a stack is read from."""
    for name in (*files, *contents):
        if not _NAME.match(name):
            raise error_answers.invalid("Files are sent under relative paths of letters, digits, `_`, `-` and `.`.", None, "files")
    first = next(iter(files.values()), "")
    given = tuple(f"{name}={value}" for name, value in variables.items())
    known = {**names.as_environment(given, ()), **environment}
    content = first.encode("utf-8", "surrogatepass")
    stack = declared_name.read_name([content], host=lambda: None, variables=given, environment=known)
    # What only the host can fill in is told apart by how it is written. Each stack has a folder of its own, replaced by its next upload.
    known_by = stack or f"{declared_name.written_name(content)}"
    folder = root / "stacks" / f"{(stack or 'unnamed')[:64]}-{jsons.digest_text(known_by)}"
    if folder.exists():
        shutil.rmtree(folder)
    _write(_note_of(folder), os.fsencode(owner), os.O_TRUNC)
    for name, text in {**contents, **files}.items():
        _write(folder / name, text.encode("utf-8", "surrogatepass"), os.O_EXCL)
    paths = tuple(str(folder / name) for name in files)
    return Sources(paths, given, (), known, None, Fence(str(folder), host_paths))


def _write(target: Path, content: bytes, mode: int) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | mode, 0o600), "wb") as stream:
        stream.write(content)


def _note_of(folder: Path) -> Path:
    return folder.with_name(folder.name + _OWNER)


def sent_at(folder: Path) -> float:
    """Return when an upload came."""
    return _note_of(folder).stat().st_mtime


def folders(root: Path, owner: Path) -> list[Path]:
    """Return the folders of what was sent to daemons of this data folder."""
    return [path.with_suffix("") for path in sorted((root / "stacks").glob(f"*{_OWNER}")) if _is_for(path, owner)]


def _is_for(path: Path, owner: Path) -> bool:
    try:
        return path.read_bytes() == os.fsencode(owner)
    except OSError:
        return False


def forget(folder: Path) -> None:
    """Remove what is known of an upload that is gone."""
    _note_of(folder).unlink(missing_ok=True)


def require_shares(desired: Desired, root: Path, host_paths: tuple[str, ...]) -> None:
    """Raise unless every share still lies where callers may name one: a folder can have become a link since the plan."""
    fence = Fence(str(root / "stacks"), host_paths)
    outside = [
        resource.address
        for resource in desired.resources
        for share in resource.spec.get("shares") or ()
        if not fence.lets_name(str(share["path"]))
    ]
    if outside:
        detail = (
            f"A share of {', '.join(f'`{address}`' for address in outside)} does not lie where the daemon's callers may name it any more."
        )
        raise error_answers.wrong_state(detail, "plan again", "path-refused")


def follow_paths(desired: Desired) -> dict[str, str]:
    """Return where the paths of the host lead that the images and shares of a stack name."""
    images = [resource.spec.get(key) for resource in desired.resources if resource.kind == "image" for key in IMAGE_FILES]
    shares = [share["path"] for resource in desired.resources for share in resource.spec.get("shares") or ()]
    named = [str(path).removeprefix("file://") for path in (*images, *shares) if path]
    return {path: os.path.realpath(path) for path in named if path.startswith("/")}


def shown_without(text: str, root: Path) -> str:
    """Return a text with the folders of uploads taken out: callers know their files by the names that they sent."""
    return re.sub(re.escape(f"{root / 'stacks'}{os.sep}") + r"[^/`]+/", "", text)
