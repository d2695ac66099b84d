"""A data folder on which steps of networks in user mode are performed without any plan."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.model.ids import Address, StackName, StepId
from herocloud.model.steps import Step
from herocloud.model.worlds import Observed
from herocloud.providers.seam import Probe, Work
from herocloud.providers.user_network import driving, observing

NETWORK = {"cidr": "10.42.0.0/24", "nat": True, "isolated": False, "forward": [], "gateway": "10.42.0.1", "bridge": "hb-12345678"}
TAP = {"network": "lan", "mac": "02:00:00:00:00:01", "address": "10.42.0.2", "tap": "hc-v1-0", "rate": None}


class Bench:
    """One data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.driver = driving.UserNetworkDriver(folder)

    def work(
        self,
        kind: str,
        before: Any,
        after: Any,
        *,
        address: str = "network.lan",
        stack: str = "shop",
        lineage: str = "ours",
        running: tuple[str, ...] = (),
    ) -> Work:
        part = "network" if kind.startswith("network") else "nic.0"
        step = Step(StepId(f"{address}/{kind}"), Address(address), kind, "user_network", part, before, after)
        return Work(step, StackName(stack), {}, lineage, "p1", running=frozenset(map(Address, running)))

    def perform(self, *step: Any, **more: Any) -> Any:
        return self.driver.perform(self.work(*step, **more))

    def probe(self, *step: Any, **more: Any) -> Probe:
        return self.driver.probe(self.work(*step, **more))

    def undo(self, *step: Any, **more: Any) -> None:
        self.driver.undo(self.work(*step, **more))

    def look(self, *stacks: str) -> Observed:
        return observing.UserNetworkObserver(self.folder).observe([StackName(one) for one in stacks] or None)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "data")


@pytest.fixture
def network() -> dict[str, Any]:
    return dict(NETWORK)


@pytest.fixture
def tap() -> dict[str, Any]:
    return dict(TAP)


@pytest.fixture
def forward() -> Callable[..., dict[str, Any]]:
    """Return a maker of forwards."""

    def make(port: int, **more: Any) -> dict[str, Any]:
        return {"host_port": port, "vm": "vm.web", "port": 80, "protocol": "tcp", "address": "10.42.0.2", **more}

    return make


@pytest.fixture(params=["tcp", "udp"])
def listener(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """Return protocol and port of a program that listens on this host."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if request.param == "tcp" else socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        if request.param == "tcp":
            one.listen()
        yield request.param, one.getsockname()[1]


@pytest.fixture
def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
