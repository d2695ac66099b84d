"""Loading a stack: from files, variables and the host's facts to what is desired, or to everything that is wrong.

`load` is the table of contents of this folder: each line of it is a stage, and each stage has a module. Lines and columns are looked up at
the end, by reading the files once more, and only when there is something to point at.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from herocloud.kits import collector
from herocloud.kits.yaml import documents, reader
from herocloud.kits.yaml.tree import Path, Unreadable
from herocloud.model.diagnostics import Place
from herocloud.model.hosts import Host
from herocloud.model.ids import StackName
from herocloud.model.worlds import Desired, Move
from herocloud.stack import catalogue, expansion, judgement, merge, sources
from herocloud.stack.fence import Fence
from herocloud.stack.findings import Findings
from herocloud.stack.judgement import Given, Judged
from herocloud.stack.loaded import Loaded
from herocloud.stack.pointer import Pointer
from herocloud.stack.sources import VarFile

SMALL = 64 * 1024
"""Up to this many bytes a file is read with places at once: it costs a few milliseconds, and every resource knows its line."""


def load(
    files: Sequence[str],
    *,
    host: Host | None,
    variables: Sequence[str] = (),
    var_files: Sequence[VarFile] = (),
    environment: Mapping[str, str] = {},
    stdin: str | None = None,
    secret_key: bytes | None = None,
    fence: Fence | None = None,
) -> Loaded:
    """Load one stack from one or several files; bad input gives diagnostics and never an exception."""
    with collector.paused():
        read, unusable = sources.read_sources(files, stdin)
        lender = sources.read_catalogue(host)
        if isinstance(lender, sources.Unusable):
            unusable.append(lender)
            lender = None
        every = [*read, *([lender] if lender else [])]
        findings = Findings()
        pointer = Pointer(every)
        _report_unusable(files, unusable, findings)

        trees = _read_trees(every, pointer, findings)
        lent = trees.pop() if lender and trees else {}
        if not trees or unusable:
            # Without all files nobody can tell which names there are, and every second reference would look wrong.
            return Loaded(None, pointer.diagnose(findings), tuple(source.name for source in read))
        combined, twice = merge.combine(trees)
        pointer.combined = combined
        catalogue.lend(combined, lent, len(read))

        if fence is not None and lender is not None:
            fence = fence._replace(host=(*fence.host, *catalogue.files(lent, lender.folder)))
        given = Given(every, combined, twice, host, variables, var_files, environment, secret_key, fence, len(read) if lender else None)
        judged = judgement.judge(given, combined.value, trees, pointer, findings)
        _check_catalogue(lent, pointer, findings)
        if findings.items:
            # Something is wrong, and now time does not matter: look again, with misspelt keys put right first.
            findings = Findings()
            judged = judgement.judge(given, _straighten(combined.value, findings), trees, pointer, findings)
            _check_catalogue(lent, pointer, findings)
        uses_secrets = any(view.fields.get("secrets") for view in judged.views)
        names = tuple(source.name for source in read)
        if findings.items:
            return Loaded(None, pointer.diagnose(findings), names, uses_secrets)
        return Loaded(_expand(given, judged, pointer, read[0].folder), (), names, uses_secrets)


def _report_unusable(files: Sequence[str], unusable: Sequence[sources.Unusable], findings: Findings) -> None:
    for file in unusable:
        findings.add(file.code, None, file.detail, file.hint)
    if not files:
        findings.add("file-missing", None, "No stack file is named.", "name one with `-f`")


def _read_trees(read: Sequence[sources.Source], pointer: Pointer, findings: Findings) -> list[dict[str, Any]] | None:
    """Read every file; nothing when one of them is not a mapping, because the others cannot be judged without it."""
    trees: list[dict[str, Any]] = []
    sound = True
    for number, source in enumerate(read):
        try:
            tree = reader.read_tree(documents.decode(source.content))
        except Unreadable:
            pointer.report_broken(number, findings)
            sound = False
            continue
        if not isinstance(tree.value, dict):
            pointer.report_shape(number, tree.value, findings)
            sound = False
            continue
        pointer.has_duplicates = pointer.has_duplicates or bool(tree.duplicates)
        trees.append(tree.value)
    return trees if sound else None


def _check_catalogue(tree: Mapping[str, Any], pointer: Pointer, findings: Findings) -> None:
    """Report what has no meaning in the catalogue, which is the last of the files that were read."""
    for path in catalogue.find_strange(tree):
        pointer.report_strange(len(pointer.read) - 1, path, findings)


def _straighten(tree: dict[str, Any], findings: Findings) -> dict[str, Any]:
    # pydantic is loaded only where there is something to say.
    from herocloud.stack.fields import validation

    return validation.straighten(tree, findings)


def _expand(given: Given, judged: Judged, pointer: Pointer, folder: str) -> Desired:
    data = judged.data
    place_of = pointer.place if all(len(source.content) <= SMALL for source in given.read) else _nowhere
    work = expansion.Expansion(data, judged.names.images, given.folder_of, judged.world.outside, place_of)
    return Desired(
        StackName(data["stack"]),
        tuple(expansion.expand(work, judged.views)),
        data.get("description", ""),
        tuple(Move(move["from"], move["to"], place_of(("moved", number))) for number, move in enumerate(data.get("moved") or ())),
        work.spell_out(data.get("outputs") or {}),
        folder,
    )


def _nowhere(_path: Path) -> Place | None:
    return None
