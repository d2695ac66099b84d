"""Places for findings that come later: the planner and the host know an address and no line.

Large files are loaded without places, so these are looked up when there is something to say, by reading the files once more.
"""

from collections.abc import Iterator, Sequence

from herocloud.kits.yaml import documents as files_of
from herocloud.kits.yaml.documents import Document
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.ids import split_address
from herocloud.stack import sources

_SECTIONS = {"image": "images", "network": "networks", "volume": "volumes", "vm": "vms"}


def locate(diagnostics: Sequence[Diagnostic], files: Sequence[str], stdin: str | None = None) -> tuple[Diagnostic, ...]:
    """Return the findings with place and source line, where the stack files tell them; the others come back as they are."""
    if all(diagnostic.snippet is not None or (diagnostic.place is None and diagnostic.address is None) for diagnostic in diagnostics):
        return tuple(diagnostics)
    read, _unusable = sources.read_sources(files, stdin)
    opened = [files_of.open_document(source.name, source.content) for source in read]
    documents = [document for document in opened if isinstance(document, Document)]
    return tuple(_locate(diagnostic, documents) for diagnostic in diagnostics)


def _locate(diagnostic: Diagnostic, documents: Sequence[Document]) -> Diagnostic:
    if diagnostic.snippet is not None:
        return diagnostic
    if diagnostic.place is not None:
        for document in documents:
            if document.name == diagnostic.place.file and diagnostic.place.line <= len(document.lines):
                return diagnostic._replace(snippet=files_of.printable(document.lines[diagnostic.place.line - 1]))
        return diagnostic
    for document, path in _candidates(diagnostic.address or "", documents):
        place, snippet = document.locate(path, on_key=True)
        return diagnostic._replace(place=place, snippet=snippet)
    return diagnostic


def _candidates(address: str, documents: Sequence[Document]) -> Iterator[tuple[Document, tuple[str, str]]]:
    parts = split_address(address)
    if parts is None or parts.kind not in _SECTIONS:
        return
    section = _SECTIONS[parts.kind]
    for document in documents:
        block = document.tree.value.get(section) if isinstance(document.tree.value, dict) else None
        if isinstance(block, dict) and parts.name in block:
            yield document, (section, parts.name)
