"""Two guests on a bridge: what can be done with a real guest besides planning, one booted pair for all tests."""

import contextlib
import os
import pty
import re
import select
import subprocess
import sys
import time

import pytest

pytestmark = [pytest.mark.guest, pytest.mark.root, pytest.mark.timeout(300)]

STACK = """\
stack: pair
images:
  tiny: {kernel: ./vmlinuz, initramfs: ./initramfs, cmdline: console=ttyS0 quiet, nocloud: true}
networks:
  lan: {cidr: 10.214.7.0/24, nat: true, forward: [{host_port: 8088, vm: one, port: 80}]}
vms:
  one: {image: tiny, memory: 256 MiB, networks: [lan]}
  two: {image: tiny, memory: 256 MiB, networks: [lan]}
"""


@pytest.fixture(scope="module")
def site(make_site):
    """Return a place where both guests are ready."""
    site = make_site("qemu")
    (site.folder / "stack.yaml").write_text(STACK)
    site.done("apply", "-y")
    site.done("vm", "wait", "--timeout", "3min")
    yield site
    site.done("destroy", "-y")


def test_guests_have_the_addresses_of_the_plan_and_reach_each_other_and_the_host(site) -> None:
    for name, own, other in (("one", "10.214.7.2", "10.214.7.3"), ("two", "10.214.7.3", "10.214.7.2")):
        assert site.shell(name, "ip -4 -o addr show eth0 | awk '{print $4}'") == f"{own}/24"
        for reached in (other, "10.214.7.1"):
            assert site.inside(name, "ping", "-c", "1", "-W", "10", reached)[0] == 0, f"{name} does not reach {reached}"


def test_a_forwarded_port_leads_to_the_page(site) -> None:
    assert "<p>one is up.</p>" in site.page("http://127.0.0.1:8088/")


def test_a_program_ends_the_command_with_its_code_and_says_what_it_says(site) -> None:
    ran = site("vm", "exec", "two", "--", "sh", "-c", "cat; echo err >&2; exit 7", stdin="in\n")
    assert (ran.returncode, ran.stdout, ran.stderr) == (7, "in\n", "err\n")
    assert site("vm", "exec", "two", "--", "no-such-program").returncode == 127
    assert site("vm", "exec", "two", "--", "sh", "-c", "kill -9 $$").returncode == 137


def test_a_program_that_does_not_end_is_left_after_its_time(site) -> None:
    ran = site("vm", "exec", "two", "--timeout", "1s", "--", "sh", "-c", "echo begun; while :; do usleep 100000; done")
    assert (ran.returncode, ran.stdout) == (1, "begun\n")
    assert "it goes on in the guest" in ran.stderr


def test_several_commands_at_once_all_get_their_answers(site) -> None:
    words = [*site.prefix, sys.executable, "-m", "herocloud", "--json", "vm", "exec", "two", "--no-stdin", "--", "sh", "-c"]
    running = [
        subprocess.Popen([*words, f"echo {number}"], env=site.environment, stdout=subprocess.PIPE, text=True, cwd="/")
        for number in range(4)
    ]
    answers = [one.communicate(timeout=120)[0] for one in running]
    assert [f'"stdout": "{number}\\n"' in answer for number, answer in enumerate(answers)] == [True] * 4, answers


def test_the_log_is_shown_and_followed(site) -> None:
    assert "herocloud-guest ready host=two" in site.done("vm", "logs", "two")
    assert site.done("vm", "logs", "two", "--lines", "0") == ""
    words = [*site.prefix, sys.executable, "-m", "herocloud", "vm", "logs", "-f", "--lines", "0", "vm.two"]
    following = subprocess.Popen(words, env=site.environment, stdout=subprocess.PIPE, text=True, cwd="/")
    try:
        assert following.stdout is not None
        said = ""
        # Said again and again, because the first word may come before anybody follows.
        for number in range(40):
            site.shell("two", f"echo followed {number} > /dev/console")
            if select.select([following.stdout], [], [], 1)[0]:
                said = following.stdout.readline()
                break
        assert "followed" in said
    finally:
        following.kill()
        following.communicate(timeout=20)


def test_the_console_takes_keys_and_lets_go(site) -> None:
    person, program = pty.openpty()
    words = [*site.prefix, sys.executable, "-m", "herocloud", "vm", "console", "two"]
    sitting = subprocess.Popen(words, env=site.environment, stdin=program, stdout=program, stderr=program, cwd="/")
    os.close(program)
    try:
        assert "Ctrl-] leaves" in _read_until(person, r"leaves")
        os.write(person, b"\r")
        _read_until(person, r"# ")
        os.write(person, b"echo $((6 * 7))-$(hostname)\r")
        assert "42-two" in _read_until(person, r"42-two")
        os.write(person, b"\x1d")
        assert sitting.wait(timeout=30) == 0
    finally:
        sitting.kill()
        sitting.wait(timeout=20)
        os.close(person)


def test_a_paused_vm_answers_nobody_and_goes_on_where_it_was(site) -> None:
    before = site.shell("one", "cat /proc/sys/kernel/random/boot_id")
    site.done("vm", "pause", "one")
    refused = site("vm", "exec", "one", "--", "true")
    assert refused.returncode == 1
    assert "`herocloud vm resume vm.one`" in refused.stderr
    assert site("vm", "wait", "one").returncode == 1
    site.done("vm", "resume", "one")
    assert site.shell("one", "cat /proc/sys/kernel/random/boot_id") == before


def test_a_guest_that_does_not_answer_is_told_so_in_time(site) -> None:
    script = "for p in /proc/[0-9]*; do grep -q lib/herocloud/agent $p/cmdline 2>/dev/null && kill -STOP ${p#/proc/}; done; true"
    site("vm", "exec", "one", "--timeout", "5s", "--", "sh", "-c", f"({script}) &")
    waited = site("vm", "wait", "one", "--timeout", "2s")
    assert waited.returncode == 1
    assert "`vm.one` did not answer within 2 s" in waited.stderr
    refused = site("vm", "exec", "one", "--", "true")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "does not answer" in refused.stderr


def test_a_restart_brings_a_guest_back_that_was_lost(site) -> None:
    site.done("vm", "restart", "one")
    site.done("vm", "wait", "one", "--timeout", "3min")
    assert site.shell("one", "hostname") == "one"
    assert "herocloud-guest stopping host=one" in site.done("vm", "logs", "one"), "it went by the power button"
    assert site.done("plan") == "No changes.\n"


def test_a_stopped_vm_is_told_from_a_silent_one(site) -> None:
    site.done("vm", "stop", "two")
    for command in (("exec", "two", "--", "true"), ("wait", "two")):
        refused = site("vm", *command)
        assert refused.returncode == 1
        assert "`vm.two` is stopped" in refused.stderr
        assert "`herocloud vm start vm.two`" in refused.stderr
    site.done("vm", "start", "two")
    site.done("vm", "wait", "two", "--timeout", "3min")


def _read_until(person: int, pattern: str, seconds: float = 60) -> str:
    said, deadline = "", time.monotonic() + seconds
    while not re.search(pattern, said):
        assert time.monotonic() < deadline, f"waited in vain for {pattern!r}: {said!r}"
        if select.select([person], [], [], 0.2)[0]:
            with contextlib.suppress(OSError):
                said += os.read(person, 4096).decode(errors="replace")
    return said
