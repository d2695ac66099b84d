"""A campaign of wrong inputs against every method of the daemon: the fuzzer of the tests with thousands of inputs in place of dozens."""

import argparse
import os
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run the campaign; the code is that of the tests."""
    parser = argparse.ArgumentParser(description="Wrong inputs for every method of the daemon.")
    parser.add_argument("--cases", type=int, default=1000, help="Inputs for each method.")
    parser.add_argument("--method", help="Only this method.")
    given = parser.parse_args()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "--timeout", "900", "tests/rpc/test_fuzzing.py"]
    command += ["-k", f"[{given.method}]"] if given.method else []
    environment = {**os.environ, "HEROCLOUD_FUZZ_CASES": str(given.cases)}
    return subprocess.run(command, cwd=Path(__file__).parent.parent, env=environment, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
