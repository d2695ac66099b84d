"""The blocks of a VM, and those that lend it values: sizes and defaults."""

from typing import Annotated, ClassVar

from pydantic import Field

from herocloud.providers import registry
from herocloud.stack.fields import kinds, spellings
from herocloud.stack.fields.kinds import Block, needed, optional

Hypervisor = Annotated[str, kinds.choice("auto", *registry.hypervisor_names())]
Restart = Annotated[str, kinds.choice("no", "on-failure", "always")]
State = Annotated[str, kinds.choice("running", "stopped", "paused")]
Seed = Annotated[
    str,
    kinds.matching(
        spellings.SEED,
        "bad-seed",
        "{} is not a seed for an overlay address.",
        "write six bytes as 12 hexadecimal digits or as 8 characters of base64, not all zeros and not all ones",
    ),
]
Opening = Annotated[
    str,
    kinds.matching(
        spellings.OPENING,
        "bad-opening",
        "{} is not a port to open.",
        "write a port from 1 to 65535, with `/udp` behind it for UDP",
        numbers=True,
    ),
]
Unavailable = Annotated[
    str,
    kinds.matching(
        spellings.SHARE,
        "bad-share",
        "{} is neither a number of instances nor a share of them.",
        "write a number from 1, or a share like `25%`",
        numbers=True,
    ),
]
Sid = Annotated[
    str, kinds.matching(spellings.SID, "bad-sid", "{} is not a slice id.", "slice ids look like `s1`; `herocloud slice list` shows them")
]
EnvironmentName = Annotated[
    str, kinds.matching(spellings.ENVIRONMENT, "bad-name", "{} is not a name of an environment variable.", "use letters, digits and `_`")
]
Threads = Annotated[int, Field(ge=1, le=2)]
Processors = Annotated[int, Field(ge=1, le=1024)]
Processor = Annotated[int, Field(ge=0, le=4095)]
Operations = Annotated[int, Field(ge=1, le=100_000_000)]
Kept = Annotated[int, Field(ge=1, le=1000)]
Many = Annotated[int, Field(ge=1, le=100_000)]
Count = Annotated[int, Field(ge=0, le=100_000)]


class Topology(Block):
    """How the guest sees its processors; packages of this shape are repeated until `max` is reached."""

    threads: Threads | None = optional("Threads per core, 1 or 2; 1 by default.")
    cores: Processors | None = optional("Cores per die; 1 by default.")
    dies: Processors | None = optional("Dies per package; 1 by default.")
    packages: Processors | None = optional("Processor packages; 1 by default.")


class Cpu(Block):
    """Processors beyond their number."""

    max: Processors | None = optional("How many vCPUs it may get while it runs; the same as `vcpus` by default.")
    affinity: list[list[Processor]] | None = optional("The host's processors that each vCPU may run on, one list per vCPU.")
    topology: Topology | None = optional(
        "How the guest sees its processors; the product divides `max`, or is the maximum where there is no `max`."
    )


class MemoryOptions(Block):
    """Memory beyond its size."""

    hugepages: bool | None = optional("Backs the memory with huge pages; false by default.")
    mergeable: bool | None = optional("Lets the host merge equal pages; false by default.")
    hotplug: kinds.Room | None = optional("How much memory may be added while it runs; by default what its slices hold beyond `memory`.")
    balloon: kinds.Room | None = optional("How much of its memory the guest gives back to the host; none by default.")
    thp: bool | None = optional("Backs the memory with huge pages where the kernel finds some by itself; true by default.")


class DiskRate(Block):
    """Limits of a disk."""

    bandwidth: kinds.Rate | None = optional("Reads and writes together, like `250 MB/s`.")
    burst: kinds.Rate | None = optional("What the first second may take beyond that.")
    iops: Operations | None = optional("Operations a second.")


class RootDisk(Block):
    """The disk that a VM boots from; it lives and dies with the VM."""

    size: kinds.Size | None = optional("The larger of the image's own size and 10 GiB by default, within the disk of the slices.")
    direct: bool | None = optional("Bypasses the host's page cache; false by default.")
    rate: DiskRate | None = optional("Limits of the disk.")


class Size(Block):
    """A preset of resources."""

    vcpus: Processors | None = optional("How many processors.")
    memory: kinds.Size | None = optional("How much memory.")
    slices: Many | None = optional("How many slices.")
    cpu: Cpu | None = optional("Processors beyond their number.")
    memory_options: MemoryOptions | None = optional("Memory beyond its size.")
    root_disk: RootDisk | None = optional("The disk that it boots from.")


class VolumeUse(Block):
    """A volume in a VM."""

    volume: str = needed("The name of the volume.")
    readonly: bool | None = optional("Attaches it for reading only; false by default. Only one VM may write.")


class Share(Block):
    """A folder of the host in a VM, by virtiofs."""

    path: str = needed("The folder on the host, absolute or relative to this file.")
    tag: Annotated[str, Field(min_length=1, max_length=36)] = needed("The name under which the guest mounts it, at most 36 characters.")


class NetworkRate(Block):
    """Limits of a network card, seen from the VM."""

    download: kinds.Rate | None = optional("What the VM may receive, like `100 Mbit/s`.")
    upload: kinds.Rate | None = optional("What the VM may send.")


class NetworkUse(Block):
    """A network card."""

    network: str = needed("The name of the network.")
    rate: NetworkRate | None = optional("Limits of the card.")


class MyceliumUse(Block):
    """An address in the overlay."""

    seed: Seed | None = optional(
        "Six bytes in hexadecimal or base64 for an address that survives re-creation; the plan decides one by default."
    )
    open: list[Opening] | None = optional("Ports that the overlay may reach: `22` (TCP) or `53/udp`; none by default.")


class Snapshots(Block):
    """Snapshots that are taken by themselves."""

    keep: Kept | None = needed("How many are kept; an older one goes when a new one is there.")
    every: kinds.Duration | None = needed("How long after the last one: `6 h`, `1 d`.")
    memory: bool | None = optional("Keeps what the VM has in memory too; false by default.")


class Update(Block):
    """How changes that interrupt the instances of a block go through them."""

    max_unavailable: Unavailable | None = optional("How many instances may be down at once: a number, or a share like `25%`; 1 by default.")


class UserData(Block):
    """What cloud-init reads."""

    file: str | None = optional("Path of the file, relative to this one; its content is taken as it is.")
    text: str | None = optional("The text itself, in which `{{ }}` works.")


class Secret(Block):
    """Where a secret comes from; it is delivered in the seed and never stored."""

    env: EnvironmentName | None = optional("The environment variable that holds it.")
    file: str | None = optional("Path of the file that holds it, relative to this one.")


class Defaults(Block):
    """Values for every VM that does not say otherwise."""

    image: str | None = optional("The name or alias of the image to boot.")
    hypervisor: Hypervisor | None = optional(
        "What runs the VM: a hypervisor by its name, or `auto` (the default), which lets the plan choose."
    )
    size: str | None = optional("The name of a preset under `sizes`.")
    slices: Many | None = optional("How many slices; by default as many as the memory needs. The plan picks the lowest free ones.")
    vcpus: Processors | None = optional("How many processors; 1 by default.")
    memory: kinds.Size | None = optional("How much memory; 4 GiB for each slice by default, and never more than that.")
    cpu: Cpu | None = optional("Processors beyond their number.")
    memory_options: MemoryOptions | None = optional("Memory beyond its size.")
    root_disk: RootDisk | None = optional("The disk that it boots from; an image that is only a kernel has none unless asked.")
    volumes: list[Annotated[VolumeUse, kinds.Short("volume")]] | None = optional("Volumes to attach, by name or with options.")
    shares: list[Share] | None = optional("Folders of the host that the VM sees.")
    networks: list[Annotated[NetworkUse, kinds.Short("network")]] | None = optional(
        "Networks to attach, by name or with options; none by default."
    )
    mycelium: Annotated[MyceliumUse | None, kinds.Switch()] = optional(
        "Gives the VM an address in the overlay: `true`, or a mapping with a seed."
    )
    ssh_keys: list[str] | None = optional("Public keys for the image's first user.")
    user_data: UserData | None = optional("What cloud-init reads, from a file or as text.")
    restart: Restart | None = optional("When the VM is started again by itself: `no` (the default), `on-failure` or `always`.")
    update: Update | None = optional("How reboots and replacements roll through the instances.")
    state: State | None = optional("What the VM should be doing: `running` (the default), `stopped` or `paused`.")
    protect: bool | None = optional("Refuses to delete or replace the VM; kept in the state even when this block disappears.")
    env: dict[str, kinds.Text] | None = optional("Environment variables for the guest, written into its seed.")
    labels: dict[str, kinds.Text] | None = optional("Words to find and group VMs by.")
    secrets: dict[str, Secret] | None = optional("Secrets by name; delivered in the seed, never stored.")
    snapshots: Snapshots | None = optional("Snapshots that the daemon takes; the plan counts the room for all of them.")


class Vm(Defaults):
    """A virtual machine, or several that are alike."""

    written: ClassVar[tuple[str, ...]] = (
        "count", "image", "hypervisor", "size", "slice", "slices", "vcpus", "memory", "cpu", "memory_options", "root_disk", "volumes",
        "shares", "networks", "mycelium", "ssh_keys", "user_data", "restart", "update", "state", "protect", "depends_on", "env", "labels",
        "secrets", "snapshots",
    )  # fmt: skip
    """The order of the keys; a base class would put its own before these."""

    count: Count | None = optional("How many: `web[0]`, `web[1]` …; without it there is one, called `web`.")
    slice: Annotated[list[Sid], kinds.OneOrMore()] | None = optional("The slices to use, pinned by id: `s5`, or `[s5, s6]`.")
    depends_on: list[str] | None = optional("Addresses that have to be there first: `vm.db`.")
