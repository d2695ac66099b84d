"""Validated stacks on disk, so that a plan of an unchanged stack needs neither YAML nor models.

Reading and checking ten thousand VMs takes a second, and for ten it is a third of a plan. A cached load is found by a
digest of everything that is known before the file is understood: its bytes, the variables, this version. What is only known
afterwards (which environment variables, files and facts of the host it relied on) is written beside the result and looked at again
before it is used. Whatever does not match, or cannot be read, is no error: the load is done again. Values of secrets are never here,
and a stack with a sensitive variable is not kept at all.
"""

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import herocloud
from herocloud.kits import jsons
from herocloud.model.diagnostics import Place
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Desired, Move, Resource
from herocloud.stack import sources

KEPT = 20
MAX_ENTRY = 64 * 1024**2
_FORMAT = 1
_PREFIX = "stack-"
"""Others keep their things in the same folder."""


class Conditions(NamedTuple):
    """What a result relies on besides what its key is made of."""

    environment: Mapping[str, str | None]
    """The digest of each environment variable that gives a value; nothing for one that was not set."""
    host_facts: Mapping[str, Any]
    pins: Sequence[str]
    """The slices that have to be there."""
    processors: int
    """How many processors the host needs to have for the affinities."""
    paths: Mapping[str, bool]
    """Paths that have to be there: true for a folder."""
    texts: Mapping[str, str]
    """The digest of each user data file."""
    secrets: Sequence[tuple[str, str, str | None]]
    """Kind, name and keyed digest of each secret."""


class Kept(NamedTuple):
    """A cached load."""

    desired: Desired
    files: tuple[str, ...]
    uses_secrets: bool


def digest_text(value: bytes) -> str:
    """Return a fingerprint of a value."""
    return jsons.blake2b(value, digest_size=16).hexdigest()


def make_key(read: Sequence[sources.Source], variables: Sequence[str], var_files: Sequence[str], *, host_is_here: bool) -> str:
    """Return the name under which a load is kept."""
    state = jsons.blake2b(digest_size=20)

    def add(part: bytes) -> None:
        state.update(len(part).to_bytes(8, "big"))
        state.update(part)

    add(f"{_FORMAT} {herocloud.__version__} {_code_stamp()} {host_is_here} {len(read)} {len(variables)}".encode())
    add(os.fsencode(os.path.expanduser("~")))  # noqa: PTH111 - `~` may stand in any path of the file.
    for source in read:
        add(os.fsencode(source.name))
        add(os.fsencode(source.folder))
        add(source.content)
    for option in variables:
        add(os.fsencode(option))
    for name in var_files:
        add(os.fsencode(name))
        given = sources.read_source(name)
        add(given.content if isinstance(given, sources.Source) else b"")
    return state.hexdigest()


def _code_stamp() -> str:
    """Return what changes when this package does: a result of other code must not be used, whatever the version says."""
    stamp: list[tuple[str, int, int]] = []
    folder = os.path.dirname(__file__)  # noqa: PTH120 - pathlib costs more than the whole look-up.
    for inner in (folder, f"{folder}/fields", f"{folder}/checks", f"{folder}/../kits"):
        try:
            with os.scandir(inner) as entries:
                for entry in entries:
                    if entry.name.endswith((".py", ".json")):
                        status = entry.stat()
                        stamp.append((entry.name, status.st_mtime_ns, status.st_size))
        except OSError:
            continue
    return digest_text(repr(sorted(stamp)).encode())


def find(folder: Path, key: str, host: Host | None, environment: Mapping[str, str], secret_key: bytes | None) -> Kept | None:
    """Return a kept load whose conditions still hold."""
    path = folder / f"{_PREFIX}{key}.json"
    body = _read_entry(path)
    if body is None:
        return None
    try:
        document = json.loads(body)
        if not _holds(Conditions(*document["conditions"]), host, environment, secret_key):
            return None
        kept = Kept(_decode(document["desired"]), tuple(document["files"]), document["uses_secrets"])
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None
    with contextlib.suppress(OSError):  # Only the order in which old entries go depends on it.
        os.utime(path)
    return kept


def _read_entry(path: Path) -> bytes | None:
    try:
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if status.st_uid != os.geteuid() or status.st_mode & 0o077 or status.st_size > MAX_ENTRY:
                return None
            checksum, _newline, body = stream.read().partition(b"\n")
    except OSError:
        return None
    return body if checksum.decode("ascii", "replace") == digest_text(body) else None


def _holds(conditions: Conditions, host: Host | None, environment: Mapping[str, str], secret_key: bytes | None) -> bool:
    for name, digest in conditions.environment.items():
        if digest != environment_digest(environment, name):
            return False
    if host is not None:
        if conditions.pins and not {one.sid for one in host.slices}.issuperset(conditions.pins):
            return False
        if conditions.processors > host.cpus:
            return False
    for name, value in conditions.host_facts.items():
        if host is None or sources.host_value(host, name) != value:
            return False
    for path, is_folder in conditions.paths.items():
        if not (os.path.isdir(path) if is_folder else os.path.isfile(path)):  # noqa: PTH112, PTH113 - as above.
            return False
    for path, digest in conditions.texts.items():
        content = sources.read_file(path, sources.MAX_USER_DATA)
        if not isinstance(content, bytes) or digest_text(content) != digest:
            return False
    return all(sources.look_at_secret(kind, name, environment, secret_key) == (True, digest) for kind, name, digest in conditions.secrets)


def environment_digest(environment: Mapping[str, str], name: str) -> str | None:
    """Return the fingerprint of an environment variable."""
    value = environment.get(name)
    return None if value is None else digest_text(value.encode("utf-8", "surrogateescape"))


def keep(folder: Path, key: str, kept: Kept, conditions: Conditions) -> None:
    """Write a load; a full or read-only disk is no reason to fail."""
    try:
        document = {"conditions": conditions, "desired": _encode(kept.desired), "files": kept.files, "uses_secrets": kept.uses_secrets}
        body = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    except (ValueError, TypeError):
        return
    if len(body) > MAX_ENTRY // 2:
        return
    temporary = folder / f".{_PREFIX}{key}.{os.getpid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(digest_text(body).encode() + b"\n" + body)
        temporary.replace(folder / f"{_PREFIX}{key}.json")
        _prune(folder)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _prune(folder: Path) -> None:
    entries = sorted((entry.stat().st_mtime_ns, entry.path) for entry in os.scandir(folder) if entry.name.startswith(_PREFIX))
    for _age, path in entries[:-KEPT]:
        Path(path).unlink(missing_ok=True)


def _encode(desired: Desired) -> dict[str, Any]:
    """Write instances that share a spec as rows that share a number."""
    specs: dict[int, tuple[int, Any]] = {}
    needs: dict[tuple[Address, ...], int] = {}
    rows = []
    for resource in desired.resources:
        spec = specs.setdefault(id(resource.spec), (len(specs), resource.spec))[0]
        need = needs.setdefault(resource.depends_on, len(needs))
        rows.append(
            (
                resource.address,
                resource.kind,
                resource.name,
                resource.number,
                spec,
                need,
                resource.protect,
                resource.place,
                resource.provider,
            )
        )
    return {
        "stack": desired.stack,
        "description": desired.description,
        "moved": desired.moved,
        "outputs": desired.outputs,
        "folder": desired.folder,
        "specs": [spec for _number, spec in specs.values()],
        "needs": list(needs),
        "rows": rows,
    }


def _decode(document: Mapping[str, Any]) -> Desired:
    specs = document["specs"]
    needs = [tuple(need) for need in document["needs"]]
    resources = tuple(
        Resource(address, kind, name, number, specs[spec], needs[need], protect, None if place is None else Place(*place), provider)
        for address, kind, name, number, spec, need, protect, place, provider in document["rows"]
    )
    moved = tuple(Move(origin, target, None if place is None else Place(*place)) for origin, target, place in document["moved"])
    return Desired(StackName(document["stack"]), resources, document["description"], moved, document["outputs"], document["folder"])
