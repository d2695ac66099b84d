"""What a provider needs to know to work on a host."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from herocloud.kits.jsons import Json
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.hosts import Host
from herocloud.providers import recollections
from herocloud.providers.recollections import Memory


class Closable(Protocol):
    """Something open."""

    def close(self) -> None:
        """Let go of it."""
        ...


Kept = TypeVar("Kept", bound=Closable)


class Lasting(Protocol):
    """Keeps things open for providers in a process that stays. What is kept is closed with it, by its own `close`."""

    def find(self, kind: type[Kept], *about: object) -> Kept | None:
        """Return the one of its kind that is about this, made when nobody asked before; nothing once the process is about to end."""
        ...


class ProviderContext(NamedTuple):
    """What a provider needs to know to work on this host."""

    folder: Path
    """The data folder. A provider keeps what it has to keep in a folder of its own below it, and opens no other provider's."""
    host: Host | None = None
    settings: Mapping[str, Mapping[str, Json]] = {}
    """The sections of the host file that belong to providers, by the name of the provider (see `Declaration.settings`)."""
    environment: Mapping[str, str] = {}
    """The caller's variables, for what a stack names with `env:`; those of this process may belong to somebody else."""
    lasting: Lasting | None = None
    """What a provider keeps open from one look to the next; nothing in a process that ends soon."""
    memory: Memory = recollections.NOTHING
    """What the state knows of VMs, for a look at one whose own files were lost."""

    def settings_of(self, name: str) -> Mapping[str, Json]:
        """Return a provider's own section of the host file."""
        return self.settings.get(name, {})
