"""A data folder with a stack, on which commands run with or without a daemon, and what two runs of one command have in common."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

STACK = """\
stack: shop
images: {tiny: {source: "https://example.org/t.qcow2", sha256: "%s", format: qcow2}}
networks: {lan: {cidr: 10.42.0.0/24}}
vms:
  web: {image: tiny, memory: 1 GiB, count: 2, networks: [lan], secrets: {token: {env: SHOP_TOKEN}}}
  db: {image: tiny, memory: 2 GiB, protect: true, networks: [lan]}
outputs: {first: "{{ vm.web[0].address.lan }}"}
""" % ("0" * 64)


def normal(text: str, folder: Path) -> str:
    """Take out what two runs of one command never have in common: times, random ids, and the folder."""
    text = text.replace(str(folder), "FOLDER")
    text = re.sub(r"\d{4}-\d\d-\d\dT?[ ]?\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?", "TIME", text)
    text = re.sub(r"\b[0-9a-f]{16}\b|\b[0-9a-f]{32}\b", "ID", text)
    text = re.sub(r'("(?:@timestamp|at|started|[a-z_]*seconds|duration|share)": ?)("[^"]*"|[0-9.e-]+|null)', r"\1N", text)
    text = re.sub(r"\b\d+(\.\d+)? (ms|s|min)\b", "N s", text)
    return re.sub(r" +", " ", text)


class Place:
    """A data folder with a stack, with or without a daemon."""

    def __init__(self, folder: Path, host: str) -> None:
        self.folder = folder
        self.data = folder / "d"
        self.data.mkdir(mode=0o700)
        (self.data / "host.yaml").write_text(host, encoding="utf-8")
        (folder / "stack.yaml").write_text(STACK, encoding="utf-8")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("HEROCLOUD_")}
        self.environment |= {"HEROCLOUD_DATA_DIR": str(self.data), "SHOP_TOKEN": "of the command", "COLUMNS": "200", "NO_COLOR": "1"}

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "herocloud", *words]
        environment = {**self.environment, **variables}
        return subprocess.run(
            command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False
        )

    def start(self, **variables: str) -> None:
        ran = self.run("daemon", "run", "--detach", "--socket", str(self.data / "rpc.sock"), **variables)
        assert ran.returncode == 0, ran.stderr

    def stop(self) -> None:
        self.run("daemon", "stop")

    def jobs(self) -> list[dict[str, Any]]:
        from herocloud.rpc.client import Client

        with Client(str(self.data / "rpc.sock")) as client:
            return [dict(job) for job in client.list_jobs(limit=1000)]


HOST = "name: node1\nsimulated: {memory: 32 GiB, disk: 2 TiB, cpus: 16, uplink: 10 Gbit/s}\n"
