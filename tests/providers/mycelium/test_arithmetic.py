"""From key to address: vectors of real nodes and of zos, and what holds for all keys and seeds."""

import base64
import hashlib
import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herocloud.model import overlay_seeds, overlays
from herocloud.providers.mycelium import arithmetic

KEYS = st.binary(min_size=32, max_size=32)
SEEDS = st.binary(min_size=6, max_size=6).filter(lambda raw: raw not in (bytes(6), b"\xff" * 6))

FIELD = ("a6a79db1591f6ec5ecc46f85ca83fd95f681d0131ae4f6d8f20d88bbd912bf38", "5c3:943d:3d21:1d4b::/64")
"""A key whose /64 a node on the public network announced."""
PAIRS = [
    (
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f",
        "430:9364:d8d8:84a9:dd60:de78:c767:d361",
    ),
    ("00" * 32, "2fe57da347cd62431528daac5fbb290730fff684afc4cfc2ed90995f58cb3b74", "570:75b1:b695:5ed7:541e:e8d8:efbb:b9a0"),
    ("ff" * 32, "847c0d2c375234f365e660955187a3735a0f7613d1609d3a6a4d8c53aeaa5a22", "569:215c:b0bf:ab7b:fe1b:f51d:b0c2:635a"),
    ("77" * 32, "1cf579aba45a10ba1d1ef06d91fca2aa9ed0a1150515653155405d0b18cb9a67", "57c:d5b3:ee99:3553:ce1f:ef3f:6a29:4727"),
]
STALE = [
    ("a47c1d6f2a15b2c670d3a88fbe0aeb301ced12f7bcb4c8e3aa877b20f8559c02", "47f:b2c5:a944:4dad:9cb1:da4:8bf7:7e65"),
    ("955bf6bea5e1150fd8e270c12e5b2fc08f08f7c5f3799d10550096cc137d671b", "54f:b680:ba6e:7ced:355f:346f:d97b:eecb"),
    ("abd16194646defe7ad2318a0f0a69eb2e3fe939c3b0b51cf0bb88bb8028ecd1d", "5c4:c176:bf44:b2ab:5e7e:f6a:b7e2:11ca"),
]
"""What the upstream README shows: the derivation of before 0.5.0."""
SHARED = Path(__file__).parents[4] / "shared/reference/mycelium-vectors.json"


@pytest.mark.parametrize(("private", "public", "address"), PAIRS, ids=["counting", "zeros", "ones", "sevens"])
def test_a_private_key_gives_its_public_key_and_address(private: str, public: str, address: str) -> None:
    assert arithmetic.public_key(bytes.fromhex(private)) == public
    assert arithmetic.node_address(arithmetic.PublicKey(public)) == address


def test_the_subnet_is_what_a_node_of_the_public_network_announced() -> None:
    assert arithmetic.node_subnet(arithmetic.PublicKey(FIELD[0])) == FIELD[1]


def test_vm_and_gateway_lie_where_zos_puts_them() -> None:
    subnet = "430:9364:d8d8:84a9::/64"
    assert arithmetic.gateway(subnet) == "430:9364:d8d8:84a9::1"
    assert arithmetic.vm_address(subnet, "010203040506") == "430:9364:d8d8:84a9:ff0f:102:304:506"
    assert arithmetic.vm_address("3b4:ca67:822d:b0c1::/64", "001122334455") == "3b4:ca67:822d:b0c1:ff0f:11:2233:4455"
    assert arithmetic.subnet_around("3b4:ca67:822d:b0c1:5d6f:c647:1ed8:6ced") == "3b4:ca67:822d:b0c1::/64"


@pytest.mark.parametrize(("public", "stale"), STALE, ids=["first", "second", "third"])
def test_the_old_derivation_does_not_come_out(public: str, stale: str) -> None:
    old = bytearray(hashlib.blake2b(bytes.fromhex(public), digest_size=16).digest())
    old[0] = 0x04 | old[0] & 1
    assert str(ipaddress.IPv6Address(bytes(old))) == stale, "the pair is the old scheme's"
    assert arithmetic.node_address(arithmetic.PublicKey(public)) != stale


@pytest.mark.skipif(not SHARED.exists(), reason="the file of reference vectors is not beside this checkout")
def test_every_vector_of_the_reference_holds() -> None:
    vectors: Any = json.loads(SHARED.read_text())
    for one in vectors["private_to_address"]:
        assert arithmetic.public_key(bytes.fromhex(one["private_key"])) == one["public_key"]
        assert arithmetic.node_address(one["public_key"]) == one["address"]
        if "zos_vm_ip" in one:
            found = (arithmetic.node_subnet(one["public_key"]), arithmetic.gateway(one["subnet"]))
            assert found == (one["subnet"], one["zos_gateway"])
            assert arithmetic.vm_address(one["subnet"], one["zos_vm_seed"]) == one["zos_vm_ip"]
    for one in vectors["field"]:
        assert (arithmetic.node_address(one["public_key"]), arithmetic.node_subnet(one["public_key"])) == (
            one["computed_address"],
            one["subnet"],
        )
    for one in vectors["zos_test_vectors_from_zosbase"]:
        subnet = arithmetic.subnet_around(one["node_address"])
        assert f"{arithmetic.gateway(subnet)}/64" == one["gateway"]
        assert arithmetic.vm_address(subnet, one["vm_seed"]) == one["vm_ip"]
    for one in vectors["stale_do_not_use"]:
        assert arithmetic.node_address(one["public_key"]) == one["real_since_0.5.0"] != one["readme_says"]


@given(private=KEYS)
def test_every_key_gives_an_address_in_the_overlay_and_in_its_own_subnet(private: bytes) -> None:
    public = arithmetic.public_key(private)
    address = ipaddress.IPv6Address(arithmetic.node_address(public))
    assert address in ipaddress.IPv6Network(overlays.RANGE)
    assert address in ipaddress.IPv6Network(arithmetic.node_subnet(public))
    assert arithmetic.node_address(public) == str(address), "the shortest form"


@given(private=KEYS, bit=st.integers(0, 255))
def test_clamped_bits_change_nothing_and_every_other_bit_does(private: bytes, bit: int) -> None:
    other = bytearray(private)
    other[bit // 8] ^= 1 << bit % 8
    same = arithmetic.public_key(private) == arithmetic.public_key(bytes(other))
    assert same is (bit in (0, 1, 2, 254, 255)), "X25519 fixes the three lowest and the two highest bits"


@given(private=KEYS, raw=SEEDS)
def test_a_seed_comes_back_out_of_its_address(private: bytes, raw: bytes) -> None:
    subnet = arithmetic.node_subnet(arithmetic.public_key(private))
    address = arithmetic.vm_address(subnet, raw.hex())
    assert overlay_seeds.of_address(address) == raw.hex()
    assert arithmetic.subnet_around(address) == subnet
    assert ":ff0f:" in ipaddress.IPv6Address(address).exploded
    assert address != arithmetic.gateway(subnet)


@given(raw=SEEDS)
def test_a_seed_reads_the_same_in_hexadecimal_and_base64(raw: bytes) -> None:
    for text in (raw.hex(), raw.hex().upper(), base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()):
        assert overlay_seeds.parse(text) == raw.hex()


@given(raw=SEEDS, other=SEEDS)
def test_different_seeds_never_share_an_address(raw: bytes, other: bytes) -> None:
    same = arithmetic.vm_address("400::/64", raw.hex()) == arithmetic.vm_address("400::/64", other.hex())
    assert same is (raw == other)


@pytest.mark.parametrize(
    "text", ["", "0" * 12, "f" * 12, "F" * 12, "AAAAAAAA", "////////", "0102030405", "01020304050607", "=======A", "zz" * 6]
)
def test_what_is_not_a_seed_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="seed"):
        overlay_seeds.parse(text)


@pytest.mark.parametrize("private", [b"", b"\0" * 31, b"\0" * 33])
def test_a_key_of_another_length_is_refused(private: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        arithmetic.public_key(private)


def test_a_public_key_in_another_form_is_refused() -> None:
    for text in ("", "ab", "A" * 64, "g" * 64):
        with pytest.raises(ValueError, match="64 lower-case"):
            arithmetic.node_address(arithmetic.PublicKey(text))


def test_a_network_that_is_not_a_64_has_no_vms() -> None:
    with pytest.raises(ValueError, match="not a /64"):
        arithmetic.vm_address("400::/63", "010203040506")
