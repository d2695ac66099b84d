"""What the kernel refuses is told in words that name the missing module or right; a stand-in plays the kernel."""

import errno
import os
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from pyroute2.netlink.exceptions import NetlinkError

from herocloud.model.errors import Conflict, HerocloudError, Permanent, Temporary
from herocloud.providers import netlink
from herocloud.providers.network import taps
from herocloud.providers.network.links import Wires
from herocloud.providers.network.marks import Port


class Refusing:
    """A kernel that answers everything with one error."""

    def __init__(self, code: int) -> None:
        self._code = code

    def __getattr__(self, _name: str) -> Any:
        def refuse(*_words: Any, **_more: Any) -> None:
            raise NetlinkError(self._code, os.strerror(self._code))

        return refuse


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Wires]:
    """Return a maker of connections to a kernel that answers everything with one error."""

    def make(code: int) -> Wires:
        def refuse(messages: Sequence[Any]) -> list[OSError]:
            return [OSError(code, os.strerror(code)) for _ in messages]

        monkeypatch.setattr(netlink, "change", refuse)
        return _wires(code)

    return make


def _wires(code: int) -> Wires:
    wires = Wires()
    wires._route = Refusing(code)
    return wires


@pytest.mark.parametrize(
    ("change", "module"),
    [
        (lambda wires: wires.add_bridge("hb-lan", "06:00:00:00:00:01", 1500, "x"), "bridges (module bridge)"),
        (lambda wires: wires.add_detour("hi-v1-0", "06:00:00:00:00:01", "x"), "upload limits (module ifb)"),
        (lambda wires: wires.limit(3, 1_000_000), "rate limits (module sch_tbf)"),
        (lambda wires: wires.set_port(3, Port(isolated=True)), "isolated bridge ports (since Linux 4.18)"),
    ],
)
def test_a_feature_that_the_kernel_lacks_is_named(change: Any, module: str, refusing: Callable[[int], Wires]) -> None:
    with pytest.raises(Permanent) as caught:
        change(refusing(errno.EOPNOTSUPP))
    assert str(caught.value) == f"this kernel lacks {module}; load or build in the module"


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        (errno.EPERM, Permanent, "the bridge `hb-lan` needs CAP_NET_ADMIN"),
        (errno.EEXIST, Conflict, "the bridge `hb-lan` is there already, and was not a moment ago"),
        (errno.EBUSY, Temporary, "the kernel cannot change the bridge `hb-lan` just now (EBUSY)"),
        (errno.EINVAL, Permanent, "the kernel refused to change the bridge `hb-lan` (EINVAL)"),
    ],
)
def test_other_refusals_say_what_to_expect(code: int, kind: type[HerocloudError], says: str, refusing: Callable[[int], Wires]) -> None:
    with pytest.raises(kind) as caught:
        refusing(code).add_bridge("hb-lan", "06:00:00:00:00:01", 1500, "x")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("code", "says"),
    [(errno.ENOENT, "this kernel lacks taps (module tun)"), (errno.EACCES, "taps need root, or a user who may open it")],
)
def test_a_kernel_or_a_user_without_taps_is_told_apart(monkeypatch: pytest.MonkeyPatch, code: int, says: str) -> None:
    def refuse(*_words: Any) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(taps.os, "open", refuse)
    with pytest.raises(Permanent) as caught:
        taps.Tap("hc-v1-0", 0, multi_queue=False)
    assert says in str(caught.value)


def test_what_is_gone_already_is_no_trouble_when_it_is_removed() -> None:
    _wires(errno.ENODEV).remove(3)
    _wires(errno.EADDRNOTAVAIL).remove_address(3, "10.42.0.1", 24)
    _wires(errno.ENOENT).unlimit(3)
