"""From the text of a host file to values by dotted name: every mistake with its place, in one run.

This module and the YAML library behind it are loaded only when the file has changed.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from herocloud.host import hostfile_schema
from herocloud.host.hostfile_schema import Reader, Wrong
from herocloud.kits import nearest
from herocloud.kits import yaml as yaml_files
from herocloud.kits.jsons import Json
from herocloud.kits.yaml import documents, scalars
from herocloud.kits.yaml.documents import Broken, Document
from herocloud.kits.yaml.tree import Path
from herocloud.model.diagnostics import Diagnostic, Place, sort_diagnostics

SUMMARIES = {
    **yaml_files.SUMMARIES,
    "unknown-key": "Unknown key",
    "wrong-type": "Wrong type of value",
    "out-of-range": "Number is out of range",
    "bad-name": "Not a valid name",
    "bad-size": "Not a size",
    "bad-rate": "Not a rate",
    "bad-duration": "Not a duration",
    "unknown-word": "Word is not among the choices",
}


class Parsed(NamedTuple):
    """What a text says; no values at all when something in it is wrong."""

    values: dict[str, Json] | None
    simulated: bool
    diagnostics: tuple[Diagnostic, ...]


def parse(text: str, name: str) -> Parsed:
    """Read the text of a host file; `name` is what diagnostics call it."""
    if not text.strip():
        return Parsed({}, simulated=False, diagnostics=())
    document = documents.open_document(name, text.encode("utf-8", "surrogateescape"))
    if isinstance(document, Broken):
        broken = Diagnostic(
            document.code,
            SUMMARIES[document.code],
            f"`{name}`: {document.detail}",
            place=document.place,
            snippet=document.snippet,
            hint=document.hint,
        )
        return Parsed(None, simulated=False, diagnostics=(broken,))
    walk = _Walk(document)
    walk.duplicates()
    if document.tree.value is not None:
        walk.mapping(document.tree.value, hostfile_schema.SHAPE, ())
    if walk.diagnostics:
        return Parsed(None, simulated=False, diagnostics=tuple(sort_diagnostics(walk.diagnostics)))
    return Parsed(walk.values, walk.simulated, ())


class _Walk:
    """One walk through the values: collects settings and mistakes."""

    def __init__(self, document: Document) -> None:
        self.values: dict[str, Json] = {}
        self.simulated = False
        self.diagnostics: list[Diagnostic] = []
        self._document = document

    def duplicates(self) -> None:
        """Report keys that are there twice."""
        for duplicate in self._document.tree.duplicates:
            where = ".".join(str(part) for part in duplicate.path[:-1])
            place, snippet = self._document.place_of(duplicate.second, on_key=True)
            self._add(_twice(duplicate.path[-1], where), place, snippet)

    def mapping(self, value: Any, shape: Mapping[str, Reader | Mapping[str, Reader]], path: Path) -> None:
        """Read one mapping of the file."""
        above = ".".join(map(str, path))
        if not isinstance(value, dict):
            code = "wrong-type" if above else "yaml-not-a-mapping"
            self._refuse(path, Wrong(code, f"{f'`{above}`' if above else 'The host file'} holds keys with values."))
            return
        for key, written in self._keys(value, shape, path):
            inner, reader = value[written], shape[key]
            dotted = f"{above}.{key}" if above else key
            if inner is None:
                continue
            if isinstance(reader, Mapping):
                self.mapping(inner, reader, (*path, written))
                # `simulated: {}` simulates this very machine, so the presence of the key counts and not what is in it.
                self.simulated |= dotted == "simulated"
            else:
                self._value(inner, reader, dotted, (*path, written), listed=above == hostfile_schema.SETTINGS)

    def _keys(self, value: Mapping[str, Any], shape: Mapping[str, object], path: Path) -> Iterator[tuple[str, str]]:
        """Yield the known keys, as the shape spells them and as they are written."""
        seen = set()
        above = ".".join(map(str, path))
        for written in value:
            # A flag may be written as its parameter is called, since every other key of this file has underscores.
            key = written.replace("_", "-") if above == hostfile_schema.SETTINGS else written
            if key not in shape:
                meant = nearest.nearest(key, shape)
                hint = f"did you mean `{meant}`?" if meant else f"keys are {', '.join(f'`{known}`' for known in shape)}"
                where = f"`{above}`" if above else "the host file"
                self._refuse((*path, written), Wrong("unknown-key", f"`{written}` is not a key of {where}.", hint), on_key=True)
            elif key in seen:
                self._refuse((*path, written), _twice(written, above), on_key=True)
            else:
                seen.add(key)
                yield key, written

    def _value(self, value: Any, reader: Reader, dotted: str, path: Path, *, listed: bool) -> None:
        if listed and isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
            self.values[dotted] = ",".join(reader(*_as_written(item)) for item in value)
            return
        if dotted in hostfile_schema.LISTS:
            self._list(value, reader, dotted, path)
            return
        if isinstance(value, dict | list):
            self._refuse(path, Wrong("wrong-type", f"`{dotted}` is a single value."))
            return
        read = reader(*_as_written(value))
        if isinstance(read, Wrong):
            self._refuse(path, read)
        else:
            self.values[dotted] = read

    def _list(self, value: Any, reader: Reader, dotted: str, path: Path) -> None:
        if not isinstance(value, list):
            self._refuse(path, Wrong("wrong-type", f"`{dotted}` is a list.", "write `[one, two]`, or `[]` for none"))
            return
        items = []
        for number, item in enumerate(value):
            read = Wrong("wrong-type", f"`{dotted}` is a list of texts.") if isinstance(item, dict | list) else reader(*_as_written(item))
            if isinstance(read, Wrong):
                self._refuse((*path, number), read)
            else:
                items.append(read)
        self.values[dotted] = items

    def _refuse(self, path: Path, wrong: Wrong, *, on_key: bool = False) -> None:
        self._add(wrong, *self._document.locate(path, on_key=on_key))

    def _add(self, wrong: Wrong, place: Place, snippet: str | None) -> None:
        self.diagnostics.append(Diagnostic(wrong.code, SUMMARIES[wrong.code], wrong.detail, place=place, snippet=snippet, hint=wrong.hint))


def _twice(key: object, above: str) -> Wrong:
    where = f"`{above}`" if above else "the host file"
    return Wrong("duplicate-key", f"`{key}` is in {where} twice.", "keep one of the two")


def _as_written(value: Any) -> tuple[str, str]:
    """Return the tag and the text of a plain value."""
    if value is None:
        return hostfile_schema.NULL, ""
    if isinstance(value, bool):
        return hostfile_schema.BOOL, "true" if value else "false"
    text = scalars.as_text(value) or ""
    return hostfile_schema.STR if isinstance(value, str) else hostfile_schema.INT if isinstance(value, int) else hostfile_schema.FLOAT, text
