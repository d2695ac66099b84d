"""Images, networks and the overlay: what their values say together."""

import re

from herocloud.kits import credentials
from herocloud.kits.named_tuples import NamedTuple
from herocloud.kits.yaml.tree import Path
from herocloud.model import overlays
from herocloud.stack.findings import Findings
from herocloud.stack.layers import Fields

_CIDR = re.compile(r"^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})/(\d{1,2})$")
_RESERVED = {0: "this host's own, before it has an address", 127: "the loopback of each machine"}
"""By the first number; a network is never larger than /8, so that number tells."""
_PEER = r"^(tcp|quic|tls)://(\[[0-9a-fA-F:.]+\]|[0-9.]+):(\d{1,5})$"
_VSOCK = r"^vsock://(\d{1,10}):(\d{1,10})$"
_LONGEST_CMDLINE = 2047
"""Bytes of a command line that Linux reads on x86, where hypervisors take more."""
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")


def check_images(data: Fields, findings: Findings) -> None:
    """Check sources, digests and aliases."""
    images = data.get("images") or {}
    taken = {name: f"`{name}` is the name of another image" for name in images}
    for name, image in images.items():
        path = ("images", name)
        source = image.get("source")
        if source is not None:
            _check_source(name, image, source, findings)
        elif "kernel" not in image and findings.knows(*path, "source") and findings.knows(*path, "kernel"):
            findings.add("nothing-to-boot", path, f"`{name}` has neither `source` nor `kernel`.", "add one of them", on_key=True)
        if "kernel" not in image and source is not None and findings.knows(*path, "kernel"):
            for key in ("initramfs", "cmdline"):
                if key in image:
                    findings.add(
                        "missing-key",
                        (*path, key),
                        f"`{key}` goes with a `kernel`, and there is none.",
                        "add `kernel:`",
                        on_key=True,
                        about="kernel",
                    )
                    break
        if "cmdline" in image:
            _check_cmdline((*path, "cmdline"), image["cmdline"], findings)
        for number, alias in enumerate(image.get("aliases") or ()):
            if alias in taken:
                findings.add("alias-clash", (*path, "aliases", number), f"{taken[alias]}.", "choose another alias")
            else:
                taken[alias] = f"`{alias}` is an alias of `{name}` already"


def _check_cmdline(path: Path, cmdline: str, findings: Findings) -> None:
    """Check what would be cut by the kernel without a word, or refused when the VM boots."""
    size = len(cmdline.encode())
    if size > _LONGEST_CMDLINE:
        detail = f"`cmdline` is {size} bytes long; a kernel reads {_LONGEST_CMDLINE}, and cuts off the rest."
        findings.add("bad-cmdline", path, detail, "write less, and put the rest where the guest reads it from its disk")
    elif strange := next((letter for letter in cmdline.strip() if not " " <= letter <= "~"), None):
        findings.add("bad-cmdline", path, f"`cmdline` has {strange!r} in it.", "write one line of printable ASCII")


def _check_source(name: str, image: Fields, source: str, findings: Findings) -> None:
    path = ("images", name)
    scheme = _SCHEME.match(source)
    if credentials.has_credentials(source):
        detail = f"The address of `{name}` carries a user name or a password, and sources are kept in plans and in the state."
        hint = "write them into `~/.netrc` (`machine HOST login NAME password WORD`), which downloads read, and leave them out here"
        findings.add("source-credentials", (*path, "source"), detail, hint)
    elif scheme and scheme.group(1) not in {"https", "http", "file"}:
        hint = "images come from https, http or file URLs, or from a path relative to this file"
        findings.add("bad-source", (*path, "source"), f"`{scheme.group(1)}` is not a way to get an image.", hint)
    elif scheme and not source[scheme.end() :].lstrip("/"):
        findings.add("bad-source", (*path, "source"), f"`{source}` names no file.", "write the whole URL, or a path relative to this file")
    elif scheme and scheme.group(1) != "file" and "sha256" not in image and not image.get("unpinned"):
        if findings.knows(*path, "sha256") and findings.knows(*path, "unpinned"):
            detail = f"`{name}` is downloaded, and nothing says what the file has to be."
            findings.add("unpinned-image", (*path, "source"), detail, "add its `sha256`, or `unpinned: true` to take whatever comes")
    elif not source:
        findings.add("bad-source", (*path, "source"), "The source is empty.", "write a URL or a path")


class _Net(NamedTuple):
    first: int
    last: int
    name: str


def check_networks(data: Fields, findings: Findings) -> None:
    """Check the ranges of networks, and that no two share an address."""
    nets: list[_Net] = []
    for name, network in (data.get("networks") or {}).items():
        if "cidr" in network:
            net = _read_cidr(name, network["cidr"], findings)
            if net is not None:
                nets.append(net)
    order = {name: number for number, name in enumerate(data.get("networks") or ())}
    widest: _Net | None = None
    for net in sorted(nets):
        if widest is not None and net.first <= widest.last:
            # The one that comes later in the file is the one to change.
            early, late = sorted((widest.name, net.name), key=order.__getitem__)
            first = data["networks"][early]["cidr"]
            findings.add(
                "networks-overlap",
                ("networks", late, "cidr"),
                f"`{late}` shares addresses with `{early}`, which is {first}.",
                "choose another range",
            )
        if widest is None or net.last > widest.last:
            widest = net


def _read_cidr(name: str, text: str, findings: Findings) -> _Net | None:
    path = ("networks", name, "cidr")
    match = _CIDR.fullmatch(text)
    numbers = [int(part) for part in match.groups()] if match else []
    if not match or any(number > 255 for number in numbers[:4]) or numbers[4] > 32:
        hint = "networks are IPv4 so far; write it like `10.42.0.0/24`" if ":" in text else "write it like `10.42.0.0/24`"
        findings.add("bad-cidr", path, f"`{text}` is not an IPv4 network.", hint)
        return None
    prefix = numbers[4]
    if not 8 <= prefix <= 30:
        findings.add("bad-cidr", path, f"`{text}` is too {'large' if prefix < 8 else 'small'} for VMs.", "use a prefix from /8 to /30")
        return None
    reserved = _RESERVED.get(numbers[0], "reserved" if numbers[0] >= 240 else "for multicast" if numbers[0] >= 224 else "")
    if reserved:
        hint = "use a private range, like `10.42.0.0/24`, `172.16.0.0/24` or `192.168.7.0/24`"
        findings.add("bad-cidr", path, f"`{text}` is {reserved}; no VM can have an address there.", hint)
        return None
    address = int.from_bytes(bytes(numbers[:4]), "big")
    size = 1 << (32 - prefix)
    first = address - address % size
    if first != address:
        right = ".".join(str(part) for part in first.to_bytes(4, "big"))
        findings.add("bad-cidr", path, f"`{text}` is an address inside a network.", f"write `{right}/{prefix}`")
        return None
    return _Net(first, first + size - 1, name)


def check_overlay(data: Fields, findings: Findings) -> None:
    """Check the key of the overlay, what its mode leaves without effect, and its peers."""
    overlay = data.get("mycelium") or {}
    if (overlay.get("key") or {}).get("file") == "":
        hint = "name a file, or leave `key` out and run `herocloud mycelium key create NAME`"
        findings.add("bad-key", ("mycelium", "key", "file"), "`file` is empty.", hint)
    for field in ("key", "interfaces", "daemon", "host_open") if overlay.get("mode") == overlays.GUEST else ():
        if overlay.get(field):
            detail = f"In mode `guest` the daemons run inside the VMs, and `{field}` is about one on the host."
            findings.add("overlay-inside", ("mycelium", field), detail, f"take `{field}` out, or choose another mode", on_key=True)
    seen: dict[str, str] = {}
    for number, peer in enumerate((data.get("mycelium") or {}).get("peers") or ()):
        path = ("mycelium", "peers", number)
        name = _endpoint_of(peer)
        if name in seen:
            spelled = "" if seen[name] == peer else f", as `{seen[name]}`"
            findings.add("peer-twice", path, f"`{peer}` is listed already{spelled}.", "remove one of them")
        elif not _is_peer(peer):
            findings.add("bad-peer", path, f"`{peer}` is not a peer endpoint.", _peer_hint(peer))
        seen.setdefault(name, peer)


def _endpoint_of(peer: str) -> str:
    """Return a peer in the form in which the daemon compares peers; what is not one stays as it is."""
    from herocloud.providers.mycelium import peer_endpoints

    try:
        return peer_endpoints.normalize(peer)
    except ValueError:
        return peer


def _is_peer(peer: str) -> bool:
    if match := re.fullmatch(_VSOCK, peer):
        return all(int(part) < 2**32 for part in match.groups())
    match = re.fullmatch(_PEER, peer)
    if not match or not 1 <= int(match.group(3)) <= 65535:
        return False
    import ipaddress

    try:
        ipaddress.ip_address(match.group(2).strip("[]"))
    except ValueError:
        return False
    return True


def _peer_hint(peer: str) -> str:
    if re.match(r"^(tcp|quic|tls)://[A-Za-z]", peer):
        return "peers are IP literals, because the overlay must come up before names can be looked up"
    return "write it like `tcp://188.40.132.242:9651`, `quic://[2a01:4f8::1]:9651` or `vsock://2:9651`"
