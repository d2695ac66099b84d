"""Programs are run as lists, within a time, and whoever fails says everything once."""

import os
import sys

import pytest

from herocloud.kits import subprocesses

pytestmark = pytest.mark.world


def test_what_a_program_says_comes_back() -> None:
    ran = subprocesses.run([sys.executable, "-c", "import sys; print(sys.stdin.read()); sys.stderr.write('aside')"], timeout=30, stdin="hi")
    assert ran == ("hi\n", "aside")


def test_words_are_never_read_by_a_shell() -> None:
    ran = subprocesses.run([sys.executable, "-c", "import sys; print(sys.argv[1])", "$HOME; echo more"], timeout=30)
    assert ran.stdout == "$HOME; echo more\n"


def test_a_failure_carries_command_code_and_all_output() -> None:
    with pytest.raises(subprocesses.CommandError) as caught:
        subprocesses.run([sys.executable, "-c", "import sys; print('o' * 9000); sys.stderr.write('e' * 9000); sys.exit(3)"], timeout=30)
    assert (caught.value.returncode, len(caught.value.stdout), len(caught.value.stderr)) == (3, 9001, 9000)
    assert "ended with 3" in str(caught.value)
    assert len(str(caught.value)) < 3000


def test_a_code_that_is_expected_is_no_failure() -> None:
    assert subprocesses.run([sys.executable, "-c", "raise SystemExit(2)"], timeout=30, codes=(0, 2)).stdout == ""


def test_a_program_that_does_not_end_is_killed() -> None:
    with pytest.raises(subprocesses.CommandError, match="still running after 0") as caught:
        subprocesses.run([sys.executable, "-c", "import threading; threading.Event().wait()"], timeout=0.2)
    assert caught.value.returncode is None


def test_a_program_apart_has_a_session_of_its_own() -> None:
    words = [sys.executable, "-c", "import os; print(os.getsid(0))"]
    here, apart = subprocesses.run(words, timeout=30), subprocesses.run(words, timeout=30, apart=True)
    assert int(here.stdout) == os.getsid(0)
    assert int(apart.stdout) != os.getsid(0)


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(subprocesses.CommandError, match="`no-such-program` cannot be started"):
        subprocesses.run(["no-such-program"], timeout=1)
