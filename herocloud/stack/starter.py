"""The files of a new project: a stack that plans and applies as it is, and says what to change.

It runs on the simulator until its reader says otherwise, so that the first apply can neither fail for want of a hypervisor nor cost
anything; it needs one slice, no other file and no network.
"""

from collections.abc import Mapping

_STACK = """\
# A first stack: one VM on a private network, with everything that people change first.
#
#   herocloud validate     looks for mistakes
#   herocloud plan         shows what apply would do, and changes nothing
#   herocloud apply        does it
#   herocloud destroy      takes it all away again
#
# `herocloud schema > stack.schema.json` gives editors the schema that the next line names.
# yaml-language-server: $schema=./stack.schema.json

stack: first                  # the owner of everything below

description: One web server to begin with

variables:                    # given by --var webs=2, HEROCLOUD_VAR_webs, or a file with --var-file
  webs: {type: integer, description: how many web servers, default: 1, min: 1, max: 8}

defaults:                     # values for every VM that does not say otherwise
  image: debian12
  hypervisor: simulator       # nothing real yet; `auto` takes the best hypervisor of the host

images:
  debian12:
    # Debian's newest image changes with every release. Put the sha256 of one of them here instead of `unpinned`,
    # and every VM is made from the same bytes for ever.
    source: https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-genericcloud-amd64.qcow2
    unpinned: true
    format: qcow2
    aliases: [debian]

networks:
  lan:
    cidr: 10.42.0.0/24        # the host is the first address, VMs get the others in the plan
    nat: true                 # VMs reach the world through the host
    # forward: [{host_port: 8080, vm: "web[0]", port: 80}]

# volumes:
#   data: {size: 20 GiB}      # a disk that outlives the VMs

vms:
  web:
    count: "{{ webs }}"       # web[0], web[1] …
    vcpus: 1
    memory: 2 GiB             # one slice is 4 GiB of memory and a share of the disk
    networks: [lan]
    # ssh_keys: ["ssh-ed25519 AAAA… you@example.org"]
    user_data:
      text: |
        #cloud-config
        packages: [nginx]
    # volumes: [data]
    labels: {tier: web}

outputs:
  address: "{{ vm.web[0].address.lan }}"
"""

_IGNORED = """\
# Saved plans are made for one moment of one host.
*.hcplan
# Values of variables, which may be secret.
*.vars.yaml
.env
# Written by `herocloud schema`.
stack.schema.json
"""


def starter_stack(name: str = "first") -> Mapping[str, str]:
    """Return the text of each file of a new project, by its name; `name` is that of the stack."""
    line = f"stack: {name}"
    return {"stack.yaml": _STACK.replace("stack: first                  #", f"{line:<29} #"), ".gitignore": _IGNORED}
