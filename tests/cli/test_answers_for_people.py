"""What commands print where people would otherwise be led astray: names, units, the way out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_a_diff_of_the_layout_writes_nothing(herocloud: Any) -> None:
    path = herocloud.write("stack:   shop\n")
    ran = herocloud.done("fmt", "--diff")
    assert path.read_text(encoding="utf-8") == "stack:   shop\n"
    assert "+stack: shop" in ran.out


@pytest.mark.parametrize(
    ("word", "says"), [("import", "state adopt"), ("taint", "apply --replace"), ("ssh", "vm console"), ("up", "apply")]
)
def test_a_command_of_another_program_is_answered_with_ours(herocloud: Any, word: str, says: str) -> None:
    ran = herocloud(word, "x")
    assert ran.code == 64
    assert says in ran.err
    assert "Did you mean" not in ran.err


def test_the_next_command_quotes_a_folder_with_blanks(herocloud: Any) -> None:
    assert "--chdir 'my stack'" in herocloud.done("init", "my stack").err


def test_a_dash_as_a_file_is_the_standard_output(herocloud: Any, shop: Path) -> None:
    ran = herocloud.done("plan", "-q", "--md", "-")
    assert "| " in ran.out
    assert not (herocloud.folder / "-").exists()


def test_waiting_as_json_is_a_document(herocloud: Any, applied: Path) -> None:
    document = json.loads(herocloud.done("vm", "wait", "db", "--json").out)
    assert isinstance(document, dict), "a bare list cannot grow"
    assert (document["format_version"], document["ready"], document["vms"][0]["address"]) == ("1.0", True, "vm.db")


@pytest.mark.parametrize(
    "words",
    [("vm", "exec", "db", "--json"), ("vm", "exec", "gone", "--json", "--", "ls"), ("plan", "--json", "--lock-timeout", "soon")],
    ids=" ".join,
)
def test_what_fails_as_json_prints_a_document(herocloud: Any, applied: Path, words: tuple[str, ...]) -> None:
    ran = herocloud(*words)
    assert ran.code != 0
    assert ran.out, "whoever reads JSON gets nothing"
    assert json.loads(ran.out)["diagnostics"][0]["detail"]


def test_a_slice_in_use_is_written_in_words_and_named_in_json(herocloud: Any, applied: Path) -> None:
    text = herocloud.done("slice", "list").out
    assert "in use" in text
    assert "InUse" not in text
    assert json.loads(herocloud.done("slice", "list", "--json").out)["slices"][0]["state"] == "InUse"
    one = herocloud.done("slice", "show", "s1").out
    assert "in use" in one
    assert "InUse" not in one
    assert json.loads(herocloud.done("slice", "show", "s1", "--json").out)["state"] == "InUse"


def test_neighboring_slices_are_a_range(herocloud: Any) -> None:
    herocloud.write(
        "stack: a\nimages: {x: {source: 'https://e.example/x', unpinned: true, format: raw}}\nvms: {big: {image: x, slices: 5}}\n"
    )
    assert "slices s1-s5 ·" in herocloud.done("plan").out
    herocloud.done("apply", "-y", "-q")
    assert "s1-s5" in herocloud.done("vm", "list").out


def test_a_full_network_is_one_error(herocloud: Any) -> None:
    image = "images: {x: {source: 'https://e.example/x', unpinned: true, format: raw}}\n"
    herocloud.write(f"stack: a\n{image}networks: {{lan: {{cidr: 10.0.0.0/29}}}}\nvms: {{web: {{count: 7, image: x, networks: [lan]}}}}\n")
    ran = herocloud("plan")
    assert ran.err.count("No free address in the network") == 1
    assert "and 1 more need an address each in `lan`" in ran.err


def test_a_changed_image_is_named_as_people_do(herocloud: Any, applied: Path, edit: Callable[[str, str], None]) -> None:
    edit("https://example.org/debian12.qcow2", "https://example.org/other.qcow2")
    text = herocloud.done("plan").out
    assert "image source https://example.org/debian12.qcow2 →" in text
    assert "image_id" not in text


def test_a_changed_dependency_shows_only_what_changed(herocloud: Any, applied: Path, edit: Callable[[str, str], None]) -> None:
    edit("vcpus: 2,", "vcpus: 2, depends_on: [vm.web],")
    assert "waits for +vm.web[0], +vm.web[1]" in herocloud.done("plan").out


def test_what_a_field_says_already_is_no_dependency_to_read_of(herocloud: Any, applied: Path, edit: Callable[[str, str], None]) -> None:
    edit("vcpus: 2, networks: [lan]", "vcpus: 2, networks: []")
    text = herocloud.done("plan").out
    assert "networks.lan removed" in text
    assert "waits for" not in text


def test_a_dependency_that_nothing_else_says_is_shown(herocloud: Any, applied: Path, edit: Callable[[str, str], None]) -> None:
    edit("vcpus: 2, networks: [lan]", "vcpus: 2, networks: [lan], depends_on: [volume.logs]")
    edit("  data: {size: 20 GiB}\n", "  data: {size: 20 GiB}\n  logs: {size: 1 GiB}\n")
    assert "waits for +volume.logs" in herocloud.done("plan").out


def test_a_stale_plan_names_fields_as_people_do(herocloud: Any, applied: Path, edit: Callable[[str, str], None]) -> None:
    herocloud.done("plan", "--destroy", "--out", "gone.plan")
    edit("https://example.org/debian12.qcow2", "https://example.org/other.qcow2")
    herocloud.done("apply", "-y", "-q")
    ran = herocloud("apply", "gone.plan")
    assert ran.code == 10
    assert "image source https://example.org/debian12.qcow2 →" in ran.err
    assert "image_id" not in ran.err


def test_changed_user_data_shows_what_is_not_secret(herocloud: Any, shop: Path, edit: Callable[[str, str], None]) -> None:
    edit("vcpus: 2,", 'vcpus: 2, user_data: {text: "#cloud-config\\npackages: [nginx]\\npassword: abc\\n"},')
    herocloud.done("apply", "-y", "-q")
    edit('packages: [nginx]\\npassword: abc\\n"', 'packages: [apache2]\\npassword: xyz\\n"')
    text = herocloud.done("plan").out
    assert "user_data packages nginx → apache2, password changed (hidden)" in text
    assert "xyz" not in text


def test_rates_have_one_unit_each(herocloud: Any, shop: Path, edit: Callable[[str, str], None]) -> None:
    edit("vcpus: 2, networks: [lan]", "vcpus: 2, root_disk: {rate: {bandwidth: 250 MiB/s}}, networks: [lan]")
    herocloud.done("apply", "-y", "-q")
    edit("250 MiB/s", "262 MB/s")
    text = herocloud.done("plan").out
    assert "bandwidth 262.144 MB/s → 262 MB/s" in text
    assert "MiB/s" not in text


def test_bandwidth_that_is_short_is_in_the_unit_of_the_file(herocloud: Any, data_folder: Path) -> None:
    (data_folder / "host.yaml").write_text(
        "simulated: {memory: 32 GiB, disk: 1 TiB, cpus: 8, uplink: 500 Mbit/s}\nlimits: {disk_io: 150 MB/s}\n", encoding="utf-8"
    )
    herocloud.write(
        "stack: a\nimages: {x: {source: 'https://e.example/x', unpinned: true, format: raw}}\nnetworks: {lan: {cidr: 10.0.0.0/24}}\n"
        "vms: {web: {count: 2, image: x, root_disk: {rate: {bandwidth: 200 MB/s}},\n"
        "            networks: [{network: lan, rate: {download: 900 Mbit/s}}]}}\n"
    )
    ran = herocloud("plan")
    assert ran.code == 14
    said = " ".join(ran.err.split())
    assert "bandwidth: 0 bit/s of 1 Gbit/s in use, 1.8 Gbit/s wanted, 800 Mbit/s too much." in said
    assert "`vm.web[0]` (900 Mbit/s)." in said
    assert "disk bandwidth: 0 B/s of 300 MB/s in use, 400 MB/s wanted, 100 MB/s too much." in said
    assert "iB/s" not in said
    found = json.loads(herocloud("plan", "--json").out)["diagnostics"]
    assert [unit for unit in ("(900 Mbit/s)", "(200 MB/s)") if not any(unit in one["detail"] for one in found)] == []


def test_an_empty_stack_file_is_led_on_without_init_alone(herocloud: Any) -> None:
    herocloud.write("")
    assert "begin with `stack: NAME`" in herocloud("plan").err


def test_what_is_promised_several_times_says_so(herocloud: Any, shop: Path) -> None:
    assert "vCPU 0 → 4 of 256 (64 \u00d7 4)" in herocloud.done("plan").out
