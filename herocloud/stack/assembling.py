"""The stages of a load that was not found in the cache."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from herocloud.model.diagnostics import Place
from herocloud.model.hosts import Host
from herocloud.model.ids import StackName
from herocloud.model.worlds import Desired, Move
from herocloud.stack import (
    caching,
    checking,
    combining,
    expanding,
    gating,
    layering,
    lending,
    pointing,
    reading,
    sources,
    substituting,
)
from herocloud.stack import names as names_of
from herocloud.stack import (
    variables as values_of,
)
from herocloud.stack.checks.outside import World
from herocloud.stack.findings import Findings, Path
from herocloud.stack.loading import Loaded

SMALL = 64 * 1024
"""Up to this many bytes a file is read with places at once: it costs a few milliseconds, and every resource knows its line."""


_ENOUGH = 50


class Assembled(NamedTuple):
    """A load, and what its result relies on; nothing when it must not be kept."""

    loaded: Loaded
    conditions: caching.Conditions | None = None


def assemble(
    read: Sequence[sources.Source],
    unusable: Sequence[sources.Unusable],
    catalogue: sources.Source | None,
    *,
    host: Host | None,
    variables: Sequence[str],
    var_files: Sequence[str],
    environment: Mapping[str, str],
    secret_key: bytes | None,
) -> Assembled:
    """Go through all stages."""
    found = Findings()
    every = [*read, *([catalogue] if catalogue else [])]
    pointer = pointing.Pointer(every)
    files = tuple(source.name for source in read)
    for one in unusable:
        found.add(one.code, None, one.detail, one.hint)
    if not read and not unusable:
        found.add("file-missing", None, "No stack file is named.", "name one with `-f`")
    trees = _read_trees(every, pointer, found)
    # Without all files nobody can tell which names there are, and every second reference would look wrong.
    lent = trees.pop() if catalogue and trees else {}
    if trees is None or unusable or not trees:
        return Assembled(Loaded(None, pointer.diagnose(found), files))
    combined, twice = combining.combine(trees)
    pointer.combined = combined
    lending.lend(combined, lent, len(read))
    given = _Given(every, combined, twice, host, variables, var_files, environment, secret_key)
    judged = _judge(given, combined.value, trees, pointer, found)
    _check_catalogue(lent, pointer, found)
    if found.items:
        # Something is wrong, and now time does not matter: look again, with misspelt keys put right first.
        found = Findings()
        judged = _judge(given, _straighten(combined.value, found), trees, pointer, found)
        _check_catalogue(lent, pointer, found)
    uses_secrets = any(view.fields.get("secrets") for view in judged.views)
    if found.items:
        return Assembled(Loaded(None, pointer.diagnose(found), files, uses_secrets))
    data = judged.data
    place_of = pointer.place if all(len(source.content) <= SMALL for source in every) else _nowhere
    expansion = expanding.Expansion(data, data["stack"], judged.names.images, given.folder_of, judged.world.outside, place_of)
    desired = Desired(
        StackName(data["stack"]),
        tuple(expanding.expand(expansion, judged.views)),
        data.get("description", ""),
        tuple(Move(move["from"], move["to"], place_of(("moved", number))) for number, move in enumerate(data.get("moved") or ())),
        data.get("outputs") or {},
        read[0].folder,
    )
    conditions = None if judged.values.sensitive else _conditions(judged, host, environment)
    return Assembled(Loaded(desired, (), files, uses_secrets), conditions)


def _check_catalogue(tree: Mapping[str, Any], pointer: "pointing.Pointer", found: Findings) -> None:
    """Report what has no meaning in the catalogue, which is the last of the files that were read."""
    for path in lending.find_strange(tree):
        pointer.report_strange(len(pointer.read) - 1, path, found)


def _straighten(tree: dict[str, Any], found: Findings) -> dict[str, Any]:
    # The models come in only where there is something to say.
    from herocloud.stack import validating

    return validating.straighten(tree, found)


class _Given(NamedTuple):
    """What a load starts from."""

    read: Sequence[sources.Source]
    combined: combining.Combined
    twice: Sequence[combining.Twice]
    host: Host | None
    variables: Sequence[str]
    var_files: Sequence[str]
    environment: Mapping[str, str]
    secret_key: bytes | None

    def folder_of(self, path: Path) -> str:
        """Return the folder of the file that says something."""
        return self.read[self.combined.origin(path)[0]].folder

    def world(self, found: Findings) -> World:
        """Return a fresh look at what lies outside."""
        return World(self.environment, self.secret_key, lambda path: self.folder_of(found.pruned.spelt(path)), found)


class _Judged(NamedTuple):
    """What came out of all checks."""

    data: Mapping[str, Any]
    values: values_of.Values
    host_fields: frozenset[str]
    names: names_of.Names
    views: Sequence[layering.View]
    world: World


def _judge(
    given: _Given, tree: dict[str, Any], trees: Sequence[Mapping[str, Any]], pointer: "pointing.Pointer", found: Findings
) -> _Judged:
    """Take one tree through variables, expressions, models and checks."""
    values = _collect_variables(tree, given, found)
    rest = {key: value for key, value in tree.items() if key != "variables"}
    if any(b"{{" in source.content for source in given.read):
        substituted = substituting.substitute(rest, values, given.host, found)
    else:
        substituted = substituting.Substituted(rest, {}, frozenset())
    data = gating.validate("StackFile", substituted.value, found)
    instances = _make_instances(substituted.indexed, data, found) if checking.check_counts(data, found) else {}
    world = given.world(found)
    names = names_of.collect_names(substituted.value, data, found)
    views = list(layering.make_views(data, instances, names.images))
    _check_stack_keys(trees, found, pointer)
    checking.check(data, substituted.value, views, names, given.host, found, world)
    blocks = pointer.report_duplicates(given.twice, found)
    checking.judge(blocks, lambda block, own: substituting.substitute(block, values, given.host, own), data, names, given.world, found)
    return _Judged(data, values, substituted.host_fields, names, views, world)


def _conditions(judged: _Judged, host: Host | None, environment: Mapping[str, str]) -> caching.Conditions:
    affinities = (view.fields["cpu"].get("affinity") for view in judged.views if "cpu" in view.fields)
    return caching.Conditions(
        {name: caching.environment_digest(environment, name) for name in judged.values.environment},
        {} if host is None else {name: sources.host_value(host, name) for name in sorted(judged.host_fields)},
        sorted({sid for view in judged.views for sid in view.fields.get("slice") or ()}),
        max((processor + 1 for lists in affinities for one in lists or () for processor in one), default=0),
        judged.world.paths,
        {path: caching.digest_text(text.encode()) for path, text in judged.world.texts.items()},
        [(kind, name, digest) for (kind, name), digest in judged.world.secrets.items()],
    )


def _check_stack_keys(trees: Sequence[Mapping[str, Any]], found: Findings, pointer: "pointing.Pointer") -> None:
    """Every file says whose it is, so that no file is merged into a stack by accident."""
    for number, tree in enumerate(trees):
        if tree.get("stack") is None and found.knows("stack"):
            pointer.report_missing_stack(number, found)


def _nowhere(_path: Path) -> Place | None:
    return None


def _read_trees(read: Sequence[sources.Source], pointer: "pointing.Pointer", found: Findings) -> list[dict[str, Any]] | None:
    """Read every file; nothing when one of them is no mapping, because the others cannot be judged without it."""
    trees: list[dict[str, Any]] = []
    sound = True
    for number, source in enumerate(read):
        try:
            tree = reading.read_tree(combining.decode(source.content))
        except reading.Unreadable:
            pointer.report_broken(number, found)
            sound = False
            continue
        if not isinstance(tree.value, dict):
            pointer.report_shape(number, tree.value, found)
            sound = False
            continue
        pointer.has_duplicates = pointer.has_duplicates or bool(tree.duplicates)
        trees.append(tree.value)
    return trees if sound else None


def _collect_variables(tree: Mapping[str, Any], given: _Given, found: Findings) -> values_of.Values:
    raw = tree.get("variables")
    # A model is built when it is first used, which takes longer than most files.
    data = {} if raw is None else gating.validate("VariablesOnly", {"variables": raw}, found)
    declared = dict(data.get("variables") or {})
    if isinstance(raw, dict):
        # A declaration that was refused as a whole still declares its name.
        declared.update({name: {} for name in raw if name not in declared})
    return values_of.collect(declared, given.variables, given.var_files, given.environment, found)


def _make_instances(indexed: Mapping[str, dict[str, Any]], data: Mapping[str, Any], found: Findings) -> dict[str, list[Mapping[str, Any]]]:
    """Validate the instances of VMs that use `{{ index }}`: of each only the keys that use it, the others are all the same."""
    from herocloud.stack import expressions

    instances: dict[str, list[Mapping[str, Any]]] = {}
    for name, raw in indexed.items():
        shared = (data.get("vms") or {}).get(name)
        if shared is None or not isinstance(shared.get("count"), int):
            continue
        varying = {key: value for key, value in raw.items() if expressions.has_any(value) and "index" in str(value)}
        same = {key: value for key, value in shared.items() if key not in varying}
        many: list[Mapping[str, Any]] = []
        before = len(found.items)
        for number in range(shared["count"]):
            if len(found.items) > before + _ENOUGH:
                break  # Enough is wrong with the first instances; nothing will be expanded.
            own = gating.validate("Vm", substituting.put_index(varying, number), found, name)
            many.append({**same, **own})
        instances[name] = many
    return instances
