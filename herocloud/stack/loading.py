"""Loading a stack: from files, variables and the host's facts to what is desired, or to everything that is wrong.

The order of the work is what makes all mistakes appear in one run: each stage takes out what it refuses and hands on the rest, and
later stages skip what an earlier one left unknown. Lines and columns are looked up at the end, by reading the files once more, and
only when there is something to point at. Heavy libraries are imported behind the cache, so that a plan of an unchanged
stack loads neither pydantic nor ruamel.
"""

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.hosts import Host
from herocloud.model.worlds import Desired
from herocloud.stack import sources


class Loaded(NamedTuple):
    """What came out."""

    desired: Desired | None
    """Nothing when there are errors."""
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[str, ...]
    """The stack files that were read, in order."""
    uses_secrets: bool = False


def load(
    files: Sequence[str],
    *,
    host: Host | None,
    variables: Sequence[str] = (),
    var_files: Sequence[str] = (),
    environment: Mapping[str, str] = {},
    stdin: str | None = None,
    secret_key: bytes | None = None,
    cache: Path | None = None,
) -> Loaded:
    """Load one stack from one or several files; bad input gives diagnostics and never an exception."""
    read, unusable = sources.read_sources(files, stdin)
    catalogue = sources.read_catalogue(host)
    if isinstance(catalogue, sources.Unusable):
        unusable.append(catalogue)
        catalogue = None
    key = ""
    if cache is not None and not unusable:
        from herocloud.stack import caching

        every = [*read, *([catalogue] if catalogue else [])]
        key = caching.make_key(every, variables, var_files, host_is_here=host is not None and not host.simulated)
        with _without_collector():
            kept = caching.find(cache, key, host, environment, secret_key)
        if kept is not None:
            return Loaded(kept.desired, (), kept.files, kept.uses_secrets)
    # From here on the price is paid: ruamel, the checks, and the models where something is unusual.
    from herocloud.stack import assembling

    with _without_collector():
        loaded, conditions = assembling.assemble(
            read, unusable, catalogue, host=host, variables=variables, var_files=var_files, environment=environment, secret_key=secret_key
        )
        if cache is not None and key and conditions is not None and loaded.desired is not None:
            caching.keep(cache, key, caching.Kept(loaded.desired, loaded.files, loaded.uses_secrets), conditions)
    return loaded


@contextmanager
def _without_collector() -> Iterator[None]:
    """Pause the cyclic collector: walking a million fresh containers that all live on takes longer than making them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
