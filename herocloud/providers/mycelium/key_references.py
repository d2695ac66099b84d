"""Which private key a stack means: one of the data folder, a file, or one that came in an environment variable.

Variables belong to the command that runs, and two stacks may name the same one. So its key is kept beside the node that runs with it,
and what was planned decides which of several is meant: the key that gives the /64 of the plan, and never just the first one.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from herocloud.kits import durable_files
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.providers.mycelium import arithmetic, keys

Reference = Mapping[str, str]


def read(data: Path, reference: Reference, environment: Mapping[str, str], subnet: str | None = None) -> bytes:
    """Return the private key that a reference means; `subnet` is the /64 that it was planned with, where it is known."""
    if "file" in reference:
        return keys.read_file(Path(reference["file"]))
    if "env" in reference:
        return _read_variable(data, reference["env"], environment, subnet)
    return keys.read_named(data, reference["name"])


def place(data: Path, folder: Path, reference: Reference, environment: Mapping[str, str], subnet: str | None = None) -> Path:
    """Return the file that holds a key, for a daemon to read; one from the environment is put into `folder`, 0600."""
    if "file" in reference:
        return Path(reference["file"])
    if "env" in reference:
        path = folder / _kept_name(reference["env"])
        durable_files.write_durably(path, read(data, reference, environment, subnet))
        return path
    return keys.path_of(data, reference["name"])


def _read_variable(data: Path, variable: str, environment: Mapping[str, str], subnet: str | None) -> bytes:
    given = keys.read_environment(variable, environment) if variable in environment else None
    if given is not None and subnet in (None, _subnet(given)):
        return given
    # A host that has rebooted brings its nodes back, and has no variables of anybody.
    kept = dict.fromkeys(_kept(data, variable))
    fitting = [key for key in kept if subnet in (None, _subnet(key))]
    if len(fitting) > 1:
        raise Refused([_ambiguous(variable)])
    if fitting:
        return fitting[0]
    # Who asks for a /64 compares it with what it gets, and knows what to say.
    return given or next(iter(kept), None) or keys.read_environment(variable, environment)


def _kept(data: Path, variable: str) -> Iterator[bytes]:
    for path in sorted(data.glob(f"mycelium/**/{_kept_name(variable)}")):
        yield keys.read_file(path)


def _subnet(private: bytes) -> str:
    return arithmetic.node_subnet(arithmetic.public_key(private))


def _kept_name(variable: str) -> str:
    return f"environment-{variable}.key"


def _ambiguous(variable: str) -> Diagnostic:
    return Diagnostic(
        "key-ambiguous",
        "It is not known which key is meant",
        f"the environment variable `{variable}` is not set, and the nodes of several stacks run with different keys that came in it",
        hint=f"set `{variable}` to the key of this stack, and give each stack a variable of its own",
    )
