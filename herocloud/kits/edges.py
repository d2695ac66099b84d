"""Edges between things that need each other: everything that they lead to, and the same edges the other way round."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

Node = TypeVar("Node")


def follow(starts: Iterable[Node], edges: Mapping[Node, Iterable[Node]]) -> set[Node]:
    """Return the starts and everything that they lead to, directly or through others."""
    reached = set(starts)
    frontier = list(reached)
    while frontier:
        more = set(edges.get(frontier.pop(), ())) - reached
        reached |= more
        frontier += more
    return reached


def turn(edges: Mapping[Node, Iterable[Node]]) -> dict[Node, list[Node]]:
    """Return the edges the other way round, in the order in which they are met."""
    turned: dict[Node, list[Node]] = {}
    for node, others in edges.items():
        for other in others:
            turned.setdefault(other, []).append(node)
    return turned
