"""Helpers of these tests are ordinary modules beside them."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.providers.network import ability

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(params=["standin", pytest.param("live", marks=pytest.mark.live)])
def daemon_kind(request: Any) -> str:
    """Return which daemon a test runs with: the stand-in with its emulated TUN, or the real one."""
    import daemons

    if request.param == "live" and daemons.real_daemon() is None:
        pytest.skip("the program `mycelium` is not on PATH")
    return str(request.param)


@pytest.fixture
def make_host(tmp_path: Path, daemon_kind: str) -> Iterator[Callable[..., Any]]:
    """Return a maker of hosts, which are taken down at the end of the test."""
    import hosts

    lacking = ability.missing()
    if lacking:
        pytest.skip(lacking)
    made: list[Any] = []

    def make(letter: str = "a") -> Any:
        made.append(hosts.OverlayHost(tmp_path / f"data-{letter}", daemon_kind, letter))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def host(make_host: Callable[..., Any]) -> Any:
    """Return one host."""
    return make_host()


@pytest.fixture
def pair(make_host: Callable[..., Any]) -> Any:
    """Return two hosts with a cable between them, their subnets on the overlay, each a peer of the other's daemon."""
    import hosts

    one, other = make_host("a"), make_host("b")
    hosts.connect(one, other)
    for each in (one, other):
        each.subnet = each.key()
        each.enable(hosts.node(each.subnet))
    other.add_peer("tcp://192.0.2.1:9651")
    return one, other
