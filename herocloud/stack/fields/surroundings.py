"""The blocks around VMs: variables, images, networks, the overlay, volumes."""

from typing import Annotated, Any

from pydantic import Field

from herocloud.model import overlays
from herocloud.providers import registry
from herocloud.stack.fields import kinds, spellings
from herocloud.stack.fields.kinds import Block, needed, optional
from herocloud.stack.fields.machines import EnvironmentName, Opening, Size

Decompress = Annotated[str, kinds.choice("none", "zstd", "xz", "gzip")]
Format = Annotated[str, kinds.choice("raw", "qcow2")]
Sha256 = Annotated[
    str,
    kinds.matching(
        spellings.SHA256, "bad-sha256", "{} is not a SHA-256 digest.", "write its 64 hexadecimal digits, as `sha256sum` prints them"
    ),
]
VariableKind = Annotated[str, kinds.choice("string", "integer", "number", "boolean", "list")]
Protocol = Annotated[str, kinds.choice("tcp", "udp")]
Port = Annotated[int, Field(ge=1, le=65535)]
OverlayMode = Annotated[str, kinds.choice(overlays.HOST, overlays.NETWORK, overlays.GUEST)]
OverlayDaemon = Annotated[str, kinds.choice("auto", "adopt", "manage")]
Interface = Annotated[
    str,
    kinds.matching(spellings.INTERFACE, "bad-interface", "{} is not an interface name.", "`ip link` shows the names of this host's"),
]
_MODES = registry.network_modes()
NetworkMode = Annotated[str, kinds.choice("auto", *_MODES)]


class Variable(Block):
    """A value that differs from one use of the stack to the next."""

    type: VariableKind | None = optional(
        "What kind of value it takes: `string` (the default), `integer`, `number`, `boolean` or `list` of texts."
    )
    description: str | None = optional("What the value is for; shown when it is missing.")
    default: Any = optional("The value when none is given; without a default one has to be given.")
    min: int | float | None = optional("The smallest number allowed; only for `integer` and `number`.")
    max: int | float | None = optional("The largest number allowed; only for `integer` and `number`.")
    sensitive: bool | None = optional("Keeps the value out of messages, plans and the state: `{{ }}` refuses it, `secrets` delivers it.")


class Image(Block):
    """What a VM boots from: a disk image, or a kernel with an optional initramfs."""

    source: str | None = optional("Where the disk image comes from: an https, http or file URL, or a path relative to this file.")
    sha256: Sha256 | None = optional(
        "The SHA-256 digest of the source as downloaded; required for https and http unless `unpinned` is true."
    )
    unpinned: bool | None = optional("Allows an https or http source without a digest; such an image may change between two downloads.")
    decompress: Decompress | None = optional("How the source is compressed: `none` (the default), `zstd`, `xz` or `gzip`.")
    format: Format | None = optional("The format of the disk image, `raw` or `qcow2`; it is never guessed when a VM boots.")
    nocloud: bool | None = optional("Whether the image reads a cloud-init seed; true when there is a source, false for a kernel alone.")
    aliases: list[str] | None = optional("Other names under which VMs may ask for this image.")
    kernel: str | None = optional("Path of a kernel to boot directly, relative to this file.")
    initramfs: str | None = optional("Path of the initramfs that goes with the kernel.")
    cmdline: str | None = optional("The kernel's command line.")
    defaults: Size | None = optional("What a VM with this image gets unless it or its size says otherwise; the same keys as a size.")


class Forward(Block):
    """A port of the host that leads to a port of a VM."""

    host_port: Port = needed("The port on the host.")
    vm: str = needed("The VM that answers: `db`, or `web[0]` for one of several.")
    port: Port = needed("The port inside the VM.")
    protocol: Protocol | None = optional("`tcp` (the default) or `udp`.")


class Network(Block):
    """A private network on the host."""

    cidr: str = needed("The IPv4 network, like `10.42.0.0/24`; its first address is the gateway, the plan assigns the others.")
    nat: bool | None = optional("Whether VMs reach the world through the host's uplink; false by default.")
    isolated: bool | None = optional("Whether VMs on it may not reach each other; false by default.")
    mode: NetworkMode | None = optional(
        f"How it is made: {'; '.join(f'`{mode}` {role.made}' for mode, role in _MODES.items())}; "
        f"or `auto` (the default), `{next(iter(_MODES))}` where the host allows it."
    )
    forward: list[Forward] | None = optional("Ports of the host that lead to VMs on this network.")


class OverlayKey(Block):
    """Where the key of an overlay node is, when it is not in the data folder."""

    file: str | None = optional("Path of the file with the key's 32 bytes, relative to this one; not readable by everybody.")
    env: EnvironmentName | None = optional("Name of an environment variable with the key in hexadecimal.")


class Mycelium(Block):
    """The overlay network of this host."""

    peers: list[str] | None = optional(
        "Endpoints to connect to, as IP literals: `tcp://188.40.132.242:9651`; also `quic`, `tls` and `vsock://CID:PORT`."
    )
    addresses: bool | None = optional("Whether VMs with `mycelium: true` get an address in the host's /64; true by default.")
    mode: OverlayMode | None = optional(
        "Whose /64 VMs live in: that of this host's node (`host`, the default), one of this stack's own that moves with its key "
        "(`network`), or one for each VM, with a daemon inside it (`guest`)."
    )
    daemon: OverlayDaemon | None = optional(
        "Which daemon this host uses: one that runs already (`adopt`), one that herocloud runs (`manage`), or whichever is there "
        "(`auto`, the default)."
    )
    key: OverlayKey | None = optional("Where the key is; by default in the data folder, made by `herocloud mycelium key create`.")
    interfaces: list[Interface] | None = optional("Interfaces of the host on which peers are discovered; none by default.")
    host_open: list[Opening] | None = optional(
        "Ports of the host itself that the overlay may reach where herocloud runs the daemon: `22` (TCP) or `53/udp`; none by default."
    )


class Volume(Block):
    """A disk that outlives the VMs that use it."""

    size: kinds.Size = needed("How large it is.")
    protect: bool | None = optional("Refuses to delete it; kept in the state even when this block disappears.")


class Moved(Block):
    """A rename that keeps what was made."""

    origin: str = needed("The old address, like `vm.www`.", alias="from")
    to: str = needed("The address in this file.")


class VariablesOnly(Block):
    """The block that is read before all others, because the others use it."""

    variables: dict[str, Annotated[Variable, kinds.Entry()]] | None = optional("Values that differ from one use of the stack to the next.")
