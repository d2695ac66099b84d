"""A probe names what is odd about a part, and nothing that a stack may ask for."""

from herocloud.providers.mycelium import overlay_parts

ASKED = {
    "addresses": True, "mode": "host", "daemon": "auto", "key": {"name": "host"}, "interfaces": ["eth0"], "subnet": "430::/64",
    "host_open": ["22/tcp"],
}  # fmt: skip


def test_what_was_asked_is_not_odd() -> None:
    assert overlay_parts.describe(ASKED) == "as another plan left it"
    assert overlay_parts.describe({**ASKED, "node": "not running"}) == "node is not running"
    assert overlay_parts.describe({"endpoint": "tcp://192.0.2.1:9651", "known": False}) == "known is False"
