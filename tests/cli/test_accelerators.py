"""What guests run on is a word that some provider declares, on the command line and for the daemon."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

XEN = """\
from herocloud.providers.qemu import DECLARATION as known
DECLARATION = known._replace(name="xen", settings={"accelerator": ("auto", "xen")})
"""
PLAN = """\
import sys
sys.path.insert(0, sys.argv[1])
from herocloud.providers import registry
registry.PROVIDERS.append("xen")
from herocloud.cli import entry
sys.argv = ["herocloud", *sys.argv[2:]]
sys.exit(entry.main())
"""
STACK = "stack: shop\nnetworks: {lan: {cidr: 10.42.0.0/24}}\n"


@pytest.mark.parametrize("command", [("plan",), ("apply", "-y")])
def test_a_word_that_no_provider_has_is_refused_with_those_that_there_are(herocloud: Any, command: tuple[str, ...]) -> None:
    (herocloud.folder / "stack.yaml").write_text(STACK, encoding="utf-8")
    ran = herocloud(*command, "--accelerator", "xen")
    assert (ran.code, "`xen` is not an accelerator; there are auto, kvm, tcg" in ran.err) == (64, True), ran.both
    assert "did you mean `kvm`?" in herocloud(*command, "--accelerator", "kvn").err


def test_a_word_that_a_new_provider_brings_is_taken(data_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "xen.py").write_text(XEN, encoding="utf-8")
    (tmp_path / "stack.yaml").write_text(STACK, encoding="utf-8")
    words = [sys.executable, "-c", PLAN, str(tmp_path), "plan", "--accelerator", "xen"]
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
