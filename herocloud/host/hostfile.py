"""The host file of a data folder, and what is kept of it between commands.

What came out of the file is kept beside the state together with the text it came from, so that a plan loads the YAML library only after
the file has changed. Comparing the text needs no clock and no digest, and the file is small.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from herocloud.kits import caches, jsons, plain_files
from herocloud.kits.jsons import Json
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.diagnostics import Diagnostic, Place

FILE = "host.yaml"
_MOST_BYTES = 256 * 1024
_CACHE_FORM = 1
"""Raised whenever the meaning of the kept values changes."""

_SETTINGS = "settings."


class HostFile(NamedTuple):
    """What the operator says, by dotted name: `reserve.memory`, `settings.parallelism`. Sizes are bytes, durations seconds."""

    values: Mapping[str, Json]
    simulated: bool

    def settings(self) -> dict[str, str]:
        """Return the flags that the file sets, as texts by their name without dashes in front."""
        return {name[len(_SETTINGS) :]: value for name, value in self.values.items() if name.startswith(_SETTINGS)}


def read_host_file(folder: Path) -> tuple[HostFile | None, tuple[Diagnostic, ...]]:
    """Read the host file of a data folder; nothing and no diagnostics when there is none."""
    path = folder / FILE
    try:
        text = plain_files.read(path, _MOST_BYTES).decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None, ()
    except OSError as error:
        reason = error.strerror or str(error)
        return None, (_whole_file(path, f"{reason[:1].upper()}{reason[1:]}."),)
    except UnicodeDecodeError:
        return None, (_whole_file(path, "It is not UTF-8 text."),)
    kept = _read_cache(folder, text)
    if kept is not None:
        return kept, ()
    from herocloud.host import hostfile_reader

    parsed = hostfile_reader.parse(text, str(path))
    if parsed.values is None:
        return None, parsed.diagnostics
    host_file = HostFile(parsed.values, parsed.simulated)
    _write_cache(folder, text, host_file)
    return host_file, ()


def _whole_file(path: Path, fact: str) -> Diagnostic:
    return Diagnostic("file-unreadable", "Host file cannot be read", f"`{path}`: {fact}", place=Place(str(path), 1, 1, 1, 1))


def _cache(folder: Path) -> Path:
    return caches.cache_folder() / f"host-{jsons.digest_text(str(folder.absolute()))}.json"


def _read_cache(folder: Path, text: str) -> HostFile | None:
    try:
        kept = json.loads(_cache(folder).read_bytes())
        if kept["form"] == _CACHE_FORM and kept["text"] == text:
            return HostFile(kept["values"], kept["simulated"])
    except (OSError, ValueError, KeyError, TypeError):
        # Missing, half written or of another version: it is made again.
        pass
    return None


def _write_cache(folder: Path, text: str, host_file: HostFile) -> None:
    content = jsons.dumps({"form": _CACHE_FORM, "text": text, **host_file._asdict()})
    try:
        caches.make_folder(_cache(folder).parent)
        _cache(folder).write_text(content, encoding="utf-8")
    except OSError:
        # Without the cache the next command reads the file itself.
        pass
