"""The stacks that are measured, as herocloud and as Terraform would have them written.

Each comes in two forms. `counted` is one block with a count, which is the least text; `written` is a block for each VM, which is what
generated files and grown ones look like, and where reading the file is most of the work.
"""

from pathlib import Path
from typing import Literal

Form = Literal["counted", "written"]
FORMS: tuple[Form, ...] = ("counted", "written")

_SHA256 = "9f" * 32


def write_host(folder: Path, size: int) -> None:
    """Describe a simulated machine with room for `size` VMs of one slice each."""
    folder.mkdir(parents=True, exist_ok=True)
    text = f"""\
name: bench
simulated: {{memory: {4 * size + 64} GiB, disk: {32 * size + 1024} GiB, cpus: {size + 8}, uplink: 400 Gbit/s}}
"""
    (folder / "host.yaml").write_text(text, encoding="utf-8")


def stack_text(size: int, form: Form) -> str:
    """Write a stack of one image, one network and `size` VMs."""
    head = f"""\
stack: bench
images:
  base:
    source: https://images.example.org/base.qcow2
    sha256: {_SHA256}
    format: qcow2
networks:
  lan:
    cidr: 10.64.0.0/16
vms:
"""
    if form == "counted":
        return head + _vm("web", f"    count: {size}\n")
    return head + "".join(_vm(f"web-{number}", "") for number in range(size))


def _vm(name: str, extra: str) -> str:
    return f"""\
  {name}:
{extra}    image: base
    vcpus: 2
    memory: 2 GiB
    root_disk:
      size: 10 GiB
    networks:
      - network: lan
        rate:
          download: 20 Mbit/s
          upload: 10 Mbit/s
    restart: on-failure
    labels:
      tier: web
      part: front
"""


def terraform_text(size: int, form: Form) -> str:
    """Write the same in Terraform's language; `terraform_data` does nothing, so that only the plan/apply loop itself is measured."""
    head = f"""\
resource "terraform_data" "image" {{
  input = {{ source = "https://images.example.org/base.qcow2", sha256 = "{_SHA256}", format = "qcow2" }}
}}
resource "terraform_data" "lan" {{
  input = {{ cidr = "10.64.0.0/16" }}
}}
"""
    if form == "counted":
        return head + _terraform_vm("web", f"  count = {size}\n")
    return head + "".join(_terraform_vm(f"web-{number}", "") for number in range(size))


def _terraform_vm(name: str, extra: str) -> str:
    return f"""\
resource "terraform_data" "{name}" {{
{extra}  input = {{
    image     = terraform_data.image.id
    vcpus     = 2
    memory    = "2 GiB"
    root_disk = {{ size = "10 GiB" }}
    networks = [{{
      network = terraform_data.lan.id
      rate    = {{ download = "20 Mbit/s", upload = "10 Mbit/s" }}
    }}]
    restart = "on-failure"
    labels  = {{ tier = "web", part = "front" }}
  }}
}}
"""
