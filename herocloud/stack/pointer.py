"""From findings to diagnostics: places, snippets, addresses, and one diagnostic for what is one mistake."""

from collections.abc import Sequence
from typing import Any

from herocloud.kits.yaml import documents, reader
from herocloud.kits.yaml.tree import Path
from herocloud.model import overlays
from herocloud.model.diagnostics import Diagnostic, Place, sort_diagnostics
from herocloud.model.ids import make_address
from herocloud.stack import merge, sources
from herocloud.stack.checks import hidden_blocks
from herocloud.stack.findings import Finding, Findings
from herocloud.stack.summaries import SUMMARIES

_KINDS = {"images": "image", "networks": "network", "volumes": "volume", "vms": "vm"}


_LONGEST = 1_000
EMPTY = "begin with `stack: NAME`, or delete the file and get a commented one from `herocloud init`"
"""The way out of a file that holds nothing; `init` alone would refuse to overwrite it."""


class Pointer:
    """Knows where the parts of a combined tree were written; opens a file with places when it is first asked about it."""

    def __init__(self, read: Sequence[sources.Source]) -> None:
        """Start without having opened anything."""
        self.read = read
        self.combined: merge.Combined | None = None
        self.has_duplicates = False
        self._documents: dict[int, documents.Document | documents.Broken] = {}

    def document(self, number: int) -> documents.Document | documents.Broken:
        """Return one file with its places."""
        if number not in self._documents:
            self._documents[number] = documents.open_document(self.read[number].name, self.read[number].content)
        return self._documents[number]

    def place(self, path: Path) -> Place | None:
        """Return the place of the key at `path`."""
        spotted = self._locate(path, on_key=True, needle=None)
        return None if spotted is None else spotted[0]

    def _locate(self, path: Path, *, on_key: bool, needle: str | None) -> documents.Spotted | None:
        if self.combined is None:
            return None
        number, inner = self.combined.origin(path)
        document = self.document(number)
        return None if isinstance(document, documents.Broken) else document.locate(inner, on_key=on_key, needle=needle)

    def report_broken(self, number: int, findings: Findings) -> None:
        """Report a file that is not YAML."""
        broken = self.document(number)
        if isinstance(broken, documents.Broken):
            hint = EMPTY if broken.code == "yaml-empty" else broken.hint
            findings.add(broken.code, None, broken.detail, hint, place=broken.place, snippet=broken.snippet)

    def report_shape(self, number: int, value: Any, findings: Findings) -> None:
        """Report a file whose top level is not a mapping."""
        document = self.document(number)
        place, snippet = document.locate((), on_key=False) if isinstance(document, documents.Document) else (None, None)
        if value is None:
            findings.add("yaml-empty", None, "It holds comments only.", EMPTY, place=place, snippet=snippet)
            return
        noun = "a list" if isinstance(value, list) else "a single value"
        findings.add(
            "yaml-not-a-mapping",
            None,
            f"The top level is {noun}; a stack file is a mapping.",
            "begin with `stack: NAME`",
            place=place,
            snippet=snippet,
        )

    def report_missing_stack(self, number: int, findings: Findings) -> None:
        """Report a file that does not say which stack it belongs to."""
        document = self.document(number)
        if isinstance(document, documents.Document):
            place, snippet = document.locate((), on_key=False)
            detail = "`stack` is missing: the name of the stack, the owner of everything in the file."
            findings.add("missing-key", None, detail, "begin with `stack: NAME`", about="stack", place=place, snippet=snippet)

    def report_strange(self, number: int, path: Path, findings: Findings) -> None:
        """Report a key that has no meaning in a catalogue, which is the file `number`."""
        document = self.document(number)
        if isinstance(document, documents.Document):
            place, snippet = document.locate(path, on_key=True)
            detail = (
                f"`{path[-1]}` is not a key of a catalogue; `{self.read[number].name}` lends images and sizes to every stack on this host."
            )
            findings.add("unknown-key", None, detail, "keys are `images`, `sizes` and `defaults: {image: …}`", place=place, snippet=snippet)

    def report_duplicates(self, twice: Sequence[merge.Twice], findings: Findings) -> list[hidden_blocks.Hidden]:
        """Report keys that one file has twice and names that two files define; returns what stands behind them."""
        blocks: list[hidden_blocks.Hidden] = []
        if self.has_duplicates:
            for number in range(len(self.read)):
                document = self.document(number)
                if isinstance(document, documents.Document):
                    self._report_keys(document, findings)
                    blocks.extend(
                        hidden_blocks.of_duplicate(document, duplicate, address_of(duplicate.path))
                        for duplicate in document.tree.duplicates
                        if duplicate.path[-1] != reader.MERGE
                    )
        for mark in twice:
            first, second = self.document(mark.first), self.document(mark.second)
            if isinstance(first, documents.Broken) or isinstance(second, documents.Broken):
                continue
            where, _snippet = first.locate(mark.path, on_key=True)
            place, snippet = second.locate(mark.path, on_key=True)
            name = mark.path[-1]
            if mark.path == ("stack",):
                theirs = first.tree.value["stack"]
                detail = f"This file belongs to `{mark.value}`, and `{where.file}` to `{theirs}`."
                findings.add("other-stack", None, detail, "files of one command share one `stack:`", place=place, snippet=snippet)
            else:
                blocks.append(hidden_blocks.of_second_file(second, mark.path, mark.value, address_of(mark.path)))
                findings.add(
                    "defined-twice",
                    None,
                    f"`{name}` is already defined at {spell(where)}.",
                    "give one of them another name",
                    place=place,
                    snippet=snippet,
                )
        return blocks

    def _report_keys(self, document: documents.Document, findings: Findings) -> None:
        for duplicate in document.tree.duplicates:
            place, snippet = document.place_of(duplicate.second, on_key=True)
            first = "" if duplicate.first is None else f" It is first at {spell(document.place_of(duplicate.first, on_key=True)[0])}."
            detail = f"`{duplicate.path[-1]}` is there twice.{first}"
            findings.add(
                "duplicate-key", None, detail, "keep one of them", place=place, snippet=snippet, address=address_of(duplicate.path)
            )

    def diagnose(self, findings: Findings) -> tuple[Diagnostic, ...]:
        """Turn findings into diagnostics, each mistake once, in the order of the files."""
        unique: dict[tuple[object, ...], Diagnostic] = {}
        for finding in findings.items:
            diagnostic = self._diagnose(finding)
            spot = diagnostic.detail if diagnostic.place is None else diagnostic.place[:3]
            unique.setdefault((spot, finding.code, finding.about), diagnostic)
        return tuple(sort_diagnostics(list(unique.values())))

    def _diagnose(self, finding: Finding) -> Diagnostic:
        place, snippet = finding.place, finding.snippet
        if place is None and finding.path is not None:
            spotted = self._locate(finding.path, on_key=finding.on_key, needle=finding.needle)
            if spotted is not None:
                place, snippet = spotted
        address = finding.address or (None if finding.path is None else address_of(finding.path))
        detail = documents.printable(finding.detail)
        if len(detail) > _LONGEST:
            detail = f"{detail[: _LONGEST // 2]} … {detail[-_LONGEST // 4 :]}"
        hint = None if finding.hint is None else documents.printable(finding.hint)
        address = None if address is None else documents.printable(address)
        return Diagnostic(finding.code, SUMMARIES[finding.code], detail, address=address, place=place, snippet=snippet, hint=hint)


def spell(place: Place) -> str:
    """Write a place inside a sentence."""
    return f"{place.file}:{place.line}:{place.column}"


def address_of(path: Path) -> str | None:
    """Return the address of the resource that a path is in."""
    if len(path) > 1 and path[0] in _KINDS:
        return make_address(_KINDS[str(path[0])], str(path[1]))
    return overlays.NODE if path and path[0] == "mycelium" else None
