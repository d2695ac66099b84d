"""`bench/admission.py` works: it calls operations, whose parameters change, and nobody runs it every day."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.world
def test_it_measures_one_vm_beside_others(repository: Path) -> None:
    words = [sys.executable, "bench/admission.py", "--running", "3", "--runs", "2"]
    ran = subprocess.run(words, cwd=repository, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "admission of one VM beside 3 running: the host's lock is held for" in ran.stdout
    assert "2 admissions" in ran.stdout
