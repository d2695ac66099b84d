"""Graphs of resources, changes or steps, as dot and as mermaid.

Nodes are numbered, because mermaid takes few letters in an identity and addresses hold brackets, colons and slashes. Edges point
from what is needed to what needs it: the direction in which work flows.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from herocloud.model.plans import Plan
from herocloud.model.words import Action
from herocloud.model.worlds import Resource

_FILLS = {
    Action.CREATE: "#d7f0dd",
    Action.UPDATE: "#fbf0cd",
    Action.STOP: "#f0dcf5",
    Action.REBOOT: "#f0dcf5",
    Action.REPLACE: "#f9d9d6",
    Action.DELETE: "#f9d9d6",
    Action.ADOPT: "#d6ecf5",
    Action.MOVE: "#d6ecf5",
    Action.FORGET: "#eeeeee",
}


class Node(NamedTuple):
    """One thing in the graph."""

    key: str
    label: str
    action: Action | None = None


class Graph(NamedTuple):
    """Things, and who must come before whom."""

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]
    """(needed, needing), by key."""


def of_resources(stack: str, resources: Iterable[Resource]) -> Graph:
    """Return what the stack file asks for and what depends on what."""
    found = list(resources)
    return _graph(
        stack,
        [Node(resource.address, resource.address) for resource in found],
        {resource.address: resource.depends_on for resource in found},
    )


def of_changes(plan: Plan) -> Graph:
    """Return the changes of a plan, in their order."""
    # The word and not the sign: mermaid takes a label that begins with `- ` for a list and refuses it.
    nodes = [Node(change.address, f"{change.address} · {change.action.value}", change.action) for change in plan.changing]
    return _graph(plan.stack, nodes, {change.address: change.needs for change in plan.changing})


def of_steps(plan: Plan) -> Graph:
    """Return the steps of a plan, in their order."""
    actions = {change.address: change.action for change in plan.changing}
    nodes = [Node(step.id, step.id, actions.get(step.address)) for step in plan.steps]
    return _graph(plan.stack, nodes, {step.id: step.needs for step in plan.steps})


def render(graph: Graph, form: str = "dot") -> str:
    """Write the graph as `dot` or `mermaid`."""
    return render_mermaid(graph) if form == "mermaid" else render_dot(graph)


def render_dot(graph: Graph) -> str:
    """Write the graph for Graphviz."""
    numbers = {node.key: f"n{i}" for i, node in enumerate(graph.nodes)}
    lines = [
        f"digraph {_quote(graph.title)} {{",
        "  rankdir=LR;",
        '  node [shape=box, style="rounded,filled", fillcolor="#f4f4f4", fontname="sans-serif"];',
    ]
    for node in graph.nodes:
        fill = f", fillcolor={_quote(_FILLS[node.action])}" if node.action in _FILLS else ""
        lines.append(f"  {numbers[node.key]} [label={_quote(node.label)}{fill}];")
    lines += [f"  {numbers[first]} -> {numbers[second]};" for first, second in graph.edges]
    return "\n".join([*lines, "}"])


def render_mermaid(graph: Graph) -> str:
    """Write the graph for mermaid, which GitHub and GitLab draw in Markdown."""
    numbers = {node.key: f"n{i}" for i, node in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for node in graph.nodes:
        style = f":::{_class(node.action)}" if node.action in _FILLS else ""
        lines.append(f'  {numbers[node.key]}["{_escape(node.label)}"]{style}')
    lines += [f"  {numbers[first]} --> {numbers[second]}" for first, second in graph.edges]
    used = {node.action for node in graph.nodes if node.action in _FILLS}
    # The text colour is set too: the fills are light, and GitHub's dark theme writes in white.
    lines += [f"  classDef {_class(action)} fill:{fill},stroke:#888,color:#222" for action, fill in _FILLS.items() if action in used]
    return "\n".join(lines)


def _graph(title: str, nodes: list[Node], needs: Mapping[str, Iterable[str]]) -> Graph:
    known = {node.key for node in nodes}
    edges = [(need, node.key) for node in nodes for need in needs.get(node.key, ()) if need in known]
    return Graph(title, tuple(nodes), tuple(dict.fromkeys(edges)))


def _class(action: Action | None) -> str:
    return action.value.replace("-", "") if action else ""


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
