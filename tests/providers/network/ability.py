"""Whether this machine lets tests make real networks, in namespaces of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def missing() -> str | None:
    """Say what is missing; nothing when namespaces, taps and rules can be made."""
    for program, package in (("ip", "iproute2"), ("tc", "iproute2"), ("nft", "nftables")):
        if shutil.which(program) is None:
            return f"the program `{program}` is missing: install {package}"
    if os.geteuid() != 0:
        return "needs root: network namespaces"
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun: the kernel has no taps"
    trial = f"hct-{os.getpid()}-trial"
    made = subprocess.run(["ip", "netns", "add", trial], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        return f"network namespaces cannot be made here: {made.stderr.strip()}"
    try:
        check = [sys.executable, "-c", "from herocloud.providers.network import observing; print(*observing.survey()[:2])"]
        asked = subprocess.run(["ip", "netns", "exec", trial, *check], capture_output=True, text=True, check=False)
    finally:
        subprocess.run(["ip", "netns", "delete", trial], check=False)
    said = (asked.stdout or asked.stderr).strip()
    return None if said.startswith("True") else f"networks cannot be made here: {said.removeprefix('False ')}"
