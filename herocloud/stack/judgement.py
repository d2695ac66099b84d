"""One look at a combined tree: variables, expressions, models and checks, in this order.

Each stage takes out what it refuses and hands on the rest, and later stages skip what an earlier one left unknown; that is how all mistakes
appear in one run.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from herocloud.kits.named_tuples import NamedTuple
from herocloud.kits.yaml.tree import Path
from herocloud.model.hosts import Host
from herocloud.stack import layers, merge, sources, substitution
from herocloud.stack import names as names_of
from herocloud.stack import variables as values_of
from herocloud.stack.checks import all_checks, hidden_blocks
from herocloud.stack.checks.outside import World
from herocloud.stack.fence import Fence
from herocloud.stack.fields import fast_validation
from herocloud.stack.findings import Findings
from herocloud.stack.pointer import Pointer
from herocloud.stack.sources import VarFile

_ENOUGH = 50


class Given(NamedTuple):
    """What a load starts from."""

    read: Sequence[sources.Source]
    combined: merge.Combined
    twice: Sequence[merge.Twice]
    host: Host | None
    variables: Sequence[str]
    var_files: Sequence[VarFile]
    environment: Mapping[str, str]
    secret_key: bytes | None
    fence: Fence | None = None
    lender: int | None = None
    """Which of the files is the host's own catalogue, which no fence is about."""

    def fence_of(self, path: Path) -> Fence | None:
        """Return what bounds a place in the stack."""
        return None if self.fence is None or self.combined.origin(path)[0] == self.lender else self.fence

    def folder_of(self, path: Path) -> str:
        """Return the folder of the file that says something."""
        return self.read[self.combined.origin(path)[0]].folder

    def world(self, findings: Findings) -> World:
        """Return a fresh look at what lies outside."""
        return World(
            self.environment,
            self.secret_key,
            lambda path: self.folder_of(findings.pruned.spelt(path)),
            findings,
            lambda path: self.fence_of(findings.pruned.spelt(path)),
        )


class Judged(NamedTuple):
    """What came out of all checks."""

    data: Mapping[str, Any]
    values: values_of.Values
    names: names_of.Names
    views: Sequence[layers.View]
    world: World


def judge(given: Given, tree: dict[str, Any], trees: Sequence[Mapping[str, Any]], pointer: Pointer, findings: Findings) -> Judged:
    """Take one tree through variables, expressions, models and checks."""
    values = collect_variables(tree, given.variables, given.var_files, given.environment, findings)
    rest = {key: value for key, value in tree.items() if key != "variables"}
    if any(b"{{" in source.content for source in given.read):
        substituted = substitution.substitute(rest, values, given.host, findings)
    else:
        substituted = substitution.Substituted(rest, {})
    data = fast_validation.validate("StackFile", substituted.value, findings)
    instances = _make_instances(substituted.indexed, data, findings) if all_checks.check_counts(data, findings) else {}
    world = given.world(findings)
    names = names_of.collect_names(substituted.value, data, findings)
    views = list(layers.make_views(data, instances, names.images))
    check_stack_keys(trees, findings, pointer)
    all_checks.check(data, substituted.value, views, names, given.host, findings, world)
    blocks = pointer.report_duplicates(given.twice, findings)
    hidden_blocks.judge(
        blocks, lambda block, own: substitution.substitute(block, values, given.host, own), data, names, given.world, findings
    )
    return Judged(data, values, names, views, world)


def check_stack_keys(trees: Sequence[Mapping[str, Any]], findings: Findings, pointer: Pointer) -> None:
    """Every file says whose it is, so that no file is merged into a stack by accident."""
    for number, tree in enumerate(trees):
        if tree.get("stack") is None and findings.knows("stack"):
            pointer.report_missing_stack(number, findings)


def collect_variables(
    tree: Mapping[str, Any],
    variables: Sequence[str],
    var_files: Sequence[VarFile],
    environment: Mapping[str, str],
    findings: Findings,
) -> values_of.Values:
    """Find the values of the variables that a tree declares."""
    raw = tree.get("variables")
    # A model is built when it is first used, which takes longer than most files.
    data = {} if raw is None else fast_validation.validate("VariablesOnly", {"variables": raw}, findings)
    declared = dict(data.get("variables") or {})
    if isinstance(raw, dict):
        # A declaration that was refused as a whole still declares its name.
        declared.update({name: {} for name in raw if name not in declared})
    return values_of.collect(declared, variables, var_files, environment, findings)


def _make_instances(
    indexed: Mapping[str, dict[str, Any]], data: Mapping[str, Any], findings: Findings
) -> dict[str, list[Mapping[str, Any]]]:
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
        before = len(findings.items)
        for number in range(shared["count"]):
            if len(findings.items) > before + _ENOUGH:
                break  # Enough is wrong with the first instances; nothing will be expanded.
            own = fast_validation.validate("Vm", substitution.put_index(varying, number), findings, name)
            many.append({**same, **own})
        instances[name] = many
    return instances
