"""What nft says when it cannot is told in words that lead somewhere; a stand-in on PATH plays kernels that lack something."""

import stat
from pathlib import Path

import pytest

from herocloud.model.errors import Permanent, Temporary
from herocloud.providers import netlink
from herocloud.providers.firewall import nft
from herocloud.providers.network import nftables, observing

STAND_IN = """\
#!/bin/sh
input=$(cat)
case "$input" in
  *{lacks}*) echo 'internal:0:0-0: Error: Could not process rule: {says}' >&2; exit 1;;
esac
echo '{{"nftables": []}}'
"""


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that puts a stand-in for `nft` on PATH, which refuses whatever holds a word."""

    def put(lacks: str, says: str = "No such file or directory") -> None:
        program = tmp_path / "nft"
        program.write_text(STAND_IN.format(lacks=lacks, says=says))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return put


LOAD = [{"add": {"table": {"family": "inet", "name": "mine"}}}, {"fib": 0}, {"masquerade": 0}]


@pytest.mark.parametrize(
    ("word", "feature"),
    [
        ('"fib"', "routing look-ups (nft_fib_inet)"),
        ('"masquerade"', "masquerading (nft_masq)"),
        ('"fwd"', "forwarding at ingress (nft_fwd_netdev)"),
        ('"dnat"', "published ports (nft_nat)"),
    ],
)
def test_a_feature_that_the_kernel_lacks_is_named(pretend, word: str, feature: str) -> None:
    pretend(word)
    assert nftables.missing_features() == [feature]


def test_refused_rules_are_explained_by_what_is_missing(pretend) -> None:
    pretend('"fib"')
    with pytest.raises(Permanent, match=r"this kernel lacks routing look-ups \(nft_fib_inet\), which the rules of networks need"):
        nftables.change_rules(LOAD)


def test_refused_rules_without_a_known_reason_keep_what_nft_said(pretend) -> None:
    pretend("mine", "Numerical result out of range")
    with pytest.raises(Permanent, match=r"nftables refused the rules: .*Numerical result out of range"):
        nftables.change_rules(LOAD)


def test_a_busy_ruleset_is_tried_again(pretend) -> None:
    pretend("mine", "Device or resource busy")
    with pytest.raises(Temporary):
        nftables.change_rules(LOAD)


def test_without_the_right_the_right_is_named(pretend) -> None:
    pretend("", "Operation not permitted (you must be root)")
    for attempt in (lambda: nftables.change_rules(LOAD), nftables.read_networks, nftables.missing_features):
        with pytest.raises(Permanent, match="CAP_NET_ADMIN"):
            attempt()


def test_a_table_that_is_not_there_is_no_error(pretend) -> None:
    pretend("")
    assert nftables.read_networks() is None
    assert nftables.read_tap("hc-v1-0") is None


def test_without_the_program_its_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(nft, "SYSTEM", str(tmp_path))
    monkeypatch.setattr(netlink, "has_admin", lambda: True)
    with pytest.raises(Permanent, match="which is in the package nftables"):
        nftables.read_networks()
    assert observing.lacking() == "bridges need the program `nft`, which is missing; install the package nftables"
    assert observing.survey()[:2] == (False, observing.lacking())


def test_the_program_is_found_where_administrators_programs_lie(pretend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend("")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(nft, "SYSTEM", str(tmp_path))
    assert nftables.read_networks() is None
