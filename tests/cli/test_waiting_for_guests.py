"""`vm wait` on simulated VMs: which ones are meant, and what is said of those that do not run."""

import json

import pytest

STACK = """\
stack: shop
images:
  debian12: {source: "https://example.org/debian-12.qcow2", unpinned: true, format: qcow2}
vms:
  web: {count: 2, image: debian12}
  db: {image: debian12}
"""


@pytest.fixture
def shop(herocloud):
    herocloud.write(STACK)
    herocloud.done("apply", "-y")
    return herocloud


def _named(ran) -> list[str]:
    return sorted(line.split()[0] for line in ran.out.splitlines())


def test_all_vms_of_the_stack_are_meant_when_none_is_named(shop) -> None:
    assert _named(shop.done("vm", "wait")) == ["vm.db", "vm.web[0]", "vm.web[1]"]


def test_a_counted_vm_stands_for_its_instances(shop) -> None:
    assert _named(shop.done("vm", "wait", "web")) == ["vm.web[0]", "vm.web[1]"]
    assert _named(shop.done("vm", "wait", "web[1]", "vm.web[1]", "db")) == ["vm.db", "vm.web[1]"]


def test_the_answer_comes_as_a_document_too(shop) -> None:
    (said,) = json.loads(shop.done("vm", "wait", "db", "--json").out)["vms"]
    assert (said["address"], said["ready"]) == ("vm.db", True)


def test_a_stopped_vm_is_not_waited_for(shop) -> None:
    shop.done("vm", "stop", "db")
    ran = shop("vm", "wait", "--timeout", "1h")
    assert ran.code == 1
    assert "`herocloud vm start vm.db`" in ran.err


def test_a_simulated_vm_that_stopped_behind_our_back_is_not_ready(shop) -> None:
    from herocloud.providers.simulator import tamper

    assert tamper.main([str(shop.data_folder), "vm.db", "stop"]) == 0
    ran = shop("vm", "wait", "db", "--timeout", "1s")
    assert (ran.code, ran.out) == (1, "")
    assert "`vm.db` did not answer within 1 s" in ran.err


def test_a_time_that_is_none_and_a_vm_that_is_none_are_refused(shop) -> None:
    assert shop("vm", "wait", "--timeout", "soon").code == 64
    ran = shop("vm", "wait", "wbe")
    assert (ran.code, "did you mean `vm." in ran.err) == (1, True)


def test_f_follows_a_log_and_names_a_stack_file_before_the_command(shop) -> None:
    for words in (("vm", "logs", "-f", "db"), ("vm", "logs", "db", "--follow"), ("-f", "stack.yaml", "vm", "logs", "db")):
        ran = shop(*words)
        assert (ran.code, "it writes no console output" in ran.err) == (1, True), words
