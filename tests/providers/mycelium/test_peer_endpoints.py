"""Endpoints: one form to compare, two shapes to read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herocloud.providers.mycelium import peer_endpoints

PORTS = st.integers(1, 65535)
PROTOCOLS = st.sampled_from(["tcp", "tls", "quic"])


@given(protocol=PROTOCOLS, address=st.ip_addresses(), port=PORTS)
def test_the_text_and_both_shapes_are_one_endpoint(protocol: str, address: object, port: int) -> None:
    where = f"[{address}]:{port}" if ":" in str(address) else f"{address}:{port}"
    expected = peer_endpoints.normalize(f"{protocol}://{where}")
    assert peer_endpoints.normalize(expected) == expected
    assert peer_endpoints.read({"proto": protocol, "socketAddr": where}) == expected
    assert peer_endpoints.read({"proto": protocol, "addr": {"socket": where}}) == expected


@given(cid=st.integers(0, 2**32 - 1), port=st.integers(0, 2**32 - 1))
def test_a_vsock_endpoint_is_one_too(cid: int, port: int) -> None:
    assert peer_endpoints.read({"proto": "vsock", "addr": {"vsock": {"cid": cid, "port": port}}}) == peer_endpoints.normalize(
        f"vsock://{cid}:{port}"
    )


def test_spelling_makes_no_difference() -> None:
    assert (
        peer_endpoints.normalize("TCP://[2A01:0:0::0:1]:09651")
        == peer_endpoints.normalize("tcp://[2a01::1]:9651")
        == "tcp://[2a01::1]:9651"
    )


@pytest.mark.parametrize(
    "text",
    ["", "tcp://", "tcp://example.org:9651", "tcp://1.2.3.4", "tcp://1.2.3.4:0", "tcp://1.2.3.4:70000", "udp://1.2.3.4:1", "tcp://[1.2.3.4]:1",
     "tcp://1.2.3.999:1", "vsock://4294967296:1", "tcp://2a01::1:9651", "tcp://1.2.3.4:9651/"],
)  # fmt: skip
def test_what_no_daemon_takes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        peer_endpoints.normalize(text)


def test_a_discovered_peer_keeps_its_zone() -> None:
    assert peer_endpoints.read({"proto": "tcp", "addr": {"socket": "[fe80::1%3]:9651"}}) == "tcp://[fe80::1%3]:9651"


@pytest.mark.parametrize(
    "shape", [None, [], "tcp", {}, {"proto": "tcp"}, {"proto": "tcp", "addr": {}}, {"proto": "tcp", "addr": {"vsock": 1}}]
)
def test_a_shape_that_is_not_known_is_named(shape: object) -> None:
    with pytest.raises(ValueError, match="form that is not known"):
        peer_endpoints.read(shape)
