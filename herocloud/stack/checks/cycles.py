"""Dependencies that go round in circles.

Strongly connected components, found without recursion (a chain of ten thousand VMs is deeper than Python's stack). All instances of a VM
hang on one node for their name, so that the graph stays as small as the file.
"""

from collections import deque
from collections.abc import Mapping, Sequence

from herocloud.stack import instances
from herocloud.stack.findings import Findings
from herocloud.stack.layers import View

Node = int | str
Edges = Mapping[Node, Sequence[Node]]


def check_cycles(views: Sequence[View], findings: Findings) -> None:
    """Report each circle once, at the dependency of its first VM that closes it."""
    if not any(view.fields.get("depends_on") for view in views):
        return
    edges: dict[Node, list[Node]] = {}
    single: dict[tuple[str, int | None], int] = {}
    for number, view in enumerate(views):
        single[view.name, view.number] = number
        edges.setdefault(view.name, []).append(number)
        edges.setdefault(number, [])
    for number, view in enumerate(views):
        for address in view.fields.get("depends_on") or ():
            target = _target(address, single, edges)
            if target is not None:
                edges[number].append(target)
    for component in components(edges):
        inside = {node for node in component if isinstance(node, int)}
        first = min(inside, default=None)
        if first is None or (len(component) == 1 and first not in edges[first]):
            continue
        _report(views, first, component, edges, findings, single)


def _target(address: str, single: Mapping[tuple[str, int | None], int], edges: Edges) -> Node | None:
    instance = instances.read_instance(address) if address.startswith("vm.") else None
    if instance is None or instance.name not in edges:
        return None
    if instance.number is not None:
        return single.get((instance.name, instance.number), instance.name)
    return instance.name


def _report(
    views: Sequence[View], first: int, component: set[Node], edges: Edges, findings: Findings, single: Mapping[tuple[str, int | None], int]
) -> None:
    way = _way_back(first, component, edges)
    view = views[first]
    number = next(place for place, address in enumerate(view.fields["depends_on"]) if _target(address, single, edges) == way[1])
    names = [views[node].address for node in way if isinstance(node, int)]
    said = " → ".join(f"`{name}`" for name in names)
    detail = f"`{names[0]}` waits for itself." if len(set(names)) == 1 else f"Each waits for the next: {said}."
    findings.add("cycle", view.where("depends_on", number), detail, "remove one of these dependencies")


def _way_back(first: Node, component: set[Node], edges: Edges) -> list[Node]:
    """Return the shortest way from a node to itself."""
    came: dict[Node, Node] = {}
    queue: deque[Node] = deque([first])
    while queue:
        node = queue.popleft()
        for after in edges[node]:
            if after == first:
                way = [after, node]
                while node != first:
                    node = came[node]
                    way.append(node)
                return way[::-1]
            if after in component and after not in came:
                came[after] = node
                queue.append(after)
    return [first, first]


def components(edges: Edges) -> list[set[Node]]:
    """Return the strongly connected components (Tarjan's algorithm with a stack of our own)."""
    numbers: dict[Node, int] = {}
    lows: dict[Node, int] = {}
    open_nodes: list[Node] = []
    is_open: set[Node] = set()
    result: list[set[Node]] = []
    for root in edges:
        if root in numbers:
            continue
        work = [(root, iter(edges[root]))]
        numbers[root] = lows[root] = len(numbers)
        open_nodes.append(root)
        is_open.add(root)
        while work:
            node, rest = work[-1]
            for after in rest:
                if after not in numbers:
                    numbers[after] = lows[after] = len(numbers)
                    open_nodes.append(after)
                    is_open.add(after)
                    work.append((after, iter(edges[after])))
                    break
                if after in is_open:
                    lows[node] = min(lows[node], numbers[after])
            else:
                work.pop()
                if work:
                    lows[work[-1][0]] = min(lows[work[-1][0]], lows[node])
                if lows[node] == numbers[node]:
                    component: set[Node] = set()
                    while node not in component:
                        last = open_nodes.pop()
                        is_open.discard(last)
                        component.add(last)
                    result.append(component)
    return result
