"""Every mistake in a host file is told with its place, all of them in one run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herocloud.host import hostfile_reader, hostfile_schema
from herocloud.providers.vmm import users

GIB = 1024**3


def parse(text: str) -> hostfile_reader.Parsed:
    return hostfile_reader.parse(text, "host.yaml")


def test_every_key_is_read_in_its_unit() -> None:
    text = """
name: node1
simulated: {memory: 256 GiB, disk: 8 TiB, cpus: 64, uplink: 10 Gbit/s}
reserve: {memory: 2 GiB, disk: 0 GiB}
oversubscription: {cpu: 4.0, memory: 1, disk: 1.5, network: 2.0, disk_io: 2.0}
limits: {disk: 1 TiB, network: 1 Gbit/s, disk_io: 500 MB/s}
images: {share: 0.2, keep_free: 5 GiB}
settings: {parallelism: 10, hypervisor: auto, auto_approve: true, approve: [create, update]}
simulator: {scenario: ./scenario.yaml, step_time: 50 ms}
"""
    parsed = parse(text)
    assert parsed.diagnostics == ()
    assert parsed.simulated
    assert parsed.values == {
        "name": "node1",
        "simulated.memory": 256 * GIB,
        "simulated.disk": 8192 * GIB,
        "simulated.cpus": 64,
        "simulated.uplink": 1_250_000_000,
        "reserve.memory": 2 * GIB,
        "reserve.disk": 0,
        "oversubscription.cpu": 4.0,
        "oversubscription.memory": 1.0,
        "oversubscription.disk": 1.5,
        "oversubscription.network": 2.0,
        "oversubscription.disk_io": 2.0,
        "limits.disk": 1024 * GIB,
        "limits.network": 125_000_000,
        "limits.disk_io": 500_000_000,
        "images.share": 0.2,
        "images.keep_free": 5 * GIB,
        "settings.parallelism": "10",
        "settings.hypervisor": "auto",
        "settings.auto-approve": "true",
        "settings.approve": "create,update",
        "simulator.scenario": "./scenario.yaml",
        "simulator.step_time": 0.05,
    }


@pytest.mark.parametrize("text", ["", "# nothing\n", "~", "reserve:\n", "simulated:\nreserve: {memory: }"])
def test_what_is_left_empty_is_not_given(text) -> None:
    parsed = parse(text)
    assert (parsed.values, parsed.simulated, parsed.diagnostics) == ({}, False, ())


@pytest.mark.parametrize(
    ("text", "code", "place", "hint"),
    [
        ("nam: x", "unknown-key", (1, 1, 4), "did you mean `name`?"),
        ("name: x\nsimulated: {memori: 1 GiB}", "unknown-key", (2, 13, 19), "did you mean `memory`?"),
        ("reserve: {zzz: 1}", "unknown-key", (1, 11, 14), "keys are `memory`, `disk`"),
        ("settings: {paralelism: 3}", "unknown-key", (1, 12, 22), "did you mean `parallelism`?"),
        ("settings: {data-dir: /x}", "unknown-key", (1, 12, 20), None),
        ("reserve: {memory: 1 GiB, memory: 2 GiB}", "duplicate-key", (1, 26, 32), "keep one of the two"),
        ("settings: {auto-approve: true, auto_approve: true}", "duplicate-key", (1, 32, 44), "keep one of the two"),
        ("reserve: {memory: 4G}", "bad-size", (1, 19, 21), "write `4 GiB`"),
        ("reserve: {memory: 4}", "bad-size", (1, 19, 20), "write `4 MiB` or `4 GiB`"),
        ("reserve: {memory: true}", "bad-size", (1, 19, 23), None),
        ("simulated: {memory: 5 PiB}", "out-of-range", (1, 21, 26), "4 PiB is the most"),
        ("simulated: {uplink: fast}", "bad-rate", (1, 21, 25), "write it like `100 Mbit/s` or `250 MB/s`"),
        ("simulated: {cpus: 0}", "out-of-range", (1, 19, 20), "1 to 1000000"),
        ("simulated: {cpus: many}", "wrong-type", (1, 19, 23), None),
        ("simulator: {step_time: 5}", "bad-duration", (1, 24, 25), "write it like `500 ms`, `30 s`, `5 min`, `2 h` or `7 d`"),
        ("oversubscription: {cpu: 0}", "out-of-range", (1, 25, 26), "0.01 to 1000; 2.0 promises twice of what is there"),
        ("oversubscription: {cpu: .nan}", "wrong-type", (1, 25, 29), None),
        ("images: {share: 20}", "out-of-range", (1, 17, 19), "0.0 to 1.0; 0.2 is a fifth of the disk"),
        ("reserve: 1 GiB", "wrong-type", (1, 10, 15), None),
        ("name: [a]", "wrong-type", (1, 1, 5), None),
        ("name: two words", "bad-name", (1, 7, 16), "letters, digits, dots, dashes and underscores, 253 at most"),
        ("- name", "yaml-not-a-mapping", (1, 1, 2), None),
    ],
)
def test_a_mistake_is_told_with_its_place(text, code, place, hint) -> None:
    found = next(one for one in parse(text).diagnostics if one.code == code)
    line, column, end = place
    assert (found.place.file, found.place.line, found.place.column, found.place.end_column) == ("host.yaml", line, column, end)
    assert found.snippet == text.splitlines()[line - 1]
    if hint is not None:
        assert found.hint == hint


@pytest.mark.parametrize("uids", ["65536", "300000-365535"])
def test_users_of_vms_are_a_number_or_a_range(uids) -> None:
    parsed = parse(f"vmm: {{uids: {uids}}}\n")
    assert parsed.diagnostics == ()
    assert users.range_of({"uids": parsed.values["vmm.uids"]}) == (300000 if "-" in uids else users.Range().first, 65536)


@pytest.mark.parametrize("uids", ["365535-300000", "300000-300010", "0-65535", "300000-9999999999", "300000-", "some", "1.5"])
def test_what_is_no_range_of_users_is_refused(uids) -> None:
    [found] = parse(f"vmm: {{uids: {uids}}}\n").diagnostics
    assert found.code in ("out-of-range", "wrong-type")
    assert "1000" in (found.hint or "") or "300000-365535" in (found.hint or "")


def test_all_mistakes_come_in_one_run_in_the_order_of_the_file() -> None:
    parsed = parse("nam: x\nreserve: {memory: 4G, disk: 1}\nimages: []\nsettings: {purge: yes, colour: no}\n")
    assert parsed.values is None
    assert [(one.code, one.place.line) for one in parsed.diagnostics] == [
        ("unknown-key", 1),
        ("bad-size", 2),
        ("bad-size", 2),
        ("wrong-type", 3),
        ("unknown-key", 4),
    ]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("a: [1", "yaml-syntax", 1),
        ("\tname: x", "yaml-tab", 1),
        ("name: x\n---\nname: y\n", "yaml-documents", 2),
        ("name: *x", "yaml-alias", 1),
        ("name: 'x", "yaml-syntax", 1),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(text, code, line) -> None:
    (found,) = parse(text).diagnostics
    assert (found.code, found.place.line) == (code, line)


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 50_000, "- " * 100_000], ids=["lists", "mappings", "dashes"])
def test_a_file_that_nests_without_end_is_refused(text) -> None:
    (found,) = parse(text).diagnostics
    assert found.code == "yaml-limit"


@pytest.mark.parametrize("text", ["reserve: &a {memory: *a}", "simulated: &a {cpus: 1, disk: *a}"])
def test_a_node_that_holds_itself_is_refused(text) -> None:
    assert [one.code for one in parse(text).diagnostics] == ["yaml-alias"]


@given(st.text(alphabet="abnr:{}[]&*-!?'\"# \n\t1.", max_size=60))
def test_no_text_whatsoever_breaks_the_reader(text) -> None:
    parsed = parse(text)
    assert (parsed.values is None) == bool(parsed.diagnostics)


def test_the_flags_that_a_host_file_may_set_say_nothing_of_places() -> None:
    assert not {"data-dir", "chdir", "file"} & set(hostfile_schema.FLAGS)
