import shutil
import subprocess

import pytest

from herocloud.model.worlds import Resource
from herocloud.views import graphs


def _shop(plans) -> graphs.Graph:
    changes = (plans.delete(), plans.create()._replace(needs=("network.lan", "vm.db")), plans.update(), plans.replace(), plans.move())
    return graphs.of_changes(plans.plan(*changes))


def test_changes_are_drawn_as_mermaid(plans, snapshot) -> None:
    assert graphs.render(_shop(plans), "mermaid") == snapshot


def test_changes_are_drawn_as_dot(plans, snapshot) -> None:
    assert graphs.render(_shop(plans), "dot") == snapshot


def test_steps_follow_what_they_need(plans) -> None:
    graph = graphs.of_steps(plans.plan(plans.reboot()))
    assert graph.edges == (("vm.cache/vm.stop", "vm.cache/vm.configure"), ("vm.cache/vm.configure", "vm.cache/vm.boot"))


def test_resources_of_a_stack_are_nodes_with_their_needs(plans) -> None:
    resources = [
        Resource("network.lan", "network", "lan", None, {}),
        Resource("vm.web[0]", "vm", "web", 0, plans.vm_spec(), ("network.lan",)),
    ]
    graph = graphs.of_resources("shop", resources)
    assert [node.label for node in graph.nodes] == ["network.lan", "vm.web[0]"]
    assert graph.edges == (("network.lan", "vm.web[0]"),)


def test_needs_outside_of_the_graph_draw_no_edge(plans) -> None:
    assert all("network.lan" not in edge for edge in _shop(plans).edges)


def test_quotes_and_brackets_of_names_do_not_break_the_syntax() -> None:
    graph = graphs.Graph('a"b', (graphs.Node("x", 'peer.tcp://[::1]:9651 "q" <b>\\'),), ())
    assert 'label="peer.tcp://[::1]:9651 \\"q\\" <b>\\\\"' in graphs.render_dot(graph)
    assert "&quot;q&quot; &lt;b&gt;" in graphs.render_mermaid(graph)


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed, so its own parser cannot judge the output")
def test_graphviz_accepts_the_output(plans) -> None:
    subprocess.run(["dot", "-Tsvg"], input=graphs.render_dot(_shop(plans)).encode(), check=True, capture_output=True)
