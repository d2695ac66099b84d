"""Values that work and are hardly what was meant: ranges of addresses that belong to others, user data that cloud-init ignores.

They are warnings and not mistakes of the file, because somebody may want them: a laboratory without the internet, a guest whose agent is
not cloud-init. Only what a plan makes or changes is mentioned; who applied it has been told.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from herocloud.model.diagnostics import Diagnostic, Finding, Place
from herocloud.model.ids import Address
from herocloud.model.plans import Change
from herocloud.model.words import Severity

_DOUBTFUL_RANGE = Finding("doubtful-range", "Addresses that are not for private networks", Severity.WARNING)
_DOUBTFUL_USER_DATA = Finding("doubtful-user-data", "cloud-init would ignore this user data", Severity.WARNING)

_PRIVATE = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))
_SET_ASIDE = {
    ipaddress.IPv4Network(cidr): why
    for cidr, why in {
        "169.254.0.0/16": "is link-local: guests give such addresses to themselves, and look for cloud metadata at 169.254.169.254",
        "192.0.2.0/24": "is set aside for documentation",
        "198.51.100.0/24": "is set aside for documentation",
        "203.0.113.0/24": "is set aside for documentation",
        "198.18.0.0/15": "is set aside for measuring network devices",
    }.items()
}
_PUBLIC = "belongs to others on the internet, and VMs of this network do not reach the hosts that have these addresses there"

_KNOWN_STARTS = (
    "#cloud-config", "#cloud-boothook", "#include", "#part-handler", "#upstart-job", "#!", "## template:", "content-type:", "mime-version:",
    "{", "<", "#ps1", "rem ",
)  # fmt: skip
"""How user data begins that cloud-init or another agent takes: also Ignition's JSON, and the scripts of Windows guests."""
_HEADER = "#cloud-config"


def find(changes: Iterable[Change], places: Mapping[Address, Place | None]) -> Iterator[Diagnostic]:
    """Warn of values that these changes bring."""
    by_text: dict[tuple[str, str], list[Address]] = {}
    for change in changes:
        before, after = change.before or {}, change.after or {}
        if change.kind == "network" and after.get("cidr") and after["cidr"] != before.get("cidr"):
            yield from _about_range(change.address, after["cidr"], places.get(change.address))
        elif change.kind == "vm" and after.get("user_data") and after["user_data"] != before.get("user_data"):
            why = _why_ignored(after["user_data"])
            if why:
                by_text.setdefault((after["user_data"], why), []).append(change.address)
    for (_, why), addresses in by_text.items():
        yield _about_user_data(addresses, why, places.get(addresses[0]))


def _about_range(address: Address, cidr: str, place: Place | None) -> Iterator[Diagnostic]:
    network = cast("ipaddress.IPv4Network", ipaddress.ip_network(cidr))
    if any(network.subnet_of(private) for private in _PRIVATE):
        return
    why = next((why for aside, why in _SET_ASIDE.items() if network.overlaps(aside)), _PUBLIC)
    hint = "use a private range, like `10.42.0.0/24`, `172.16.0.0/24` or `192.168.7.0/24`"
    yield _DOUBTFUL_RANGE.at(f"`{cidr}` {why}.", address, place, hint=hint)


def _about_user_data(addresses: list[Address], why: str, place: Place | None) -> Diagnostic:
    more = f" of `{addresses[0]}` and {len(addresses) - 1} more VMs" if len(addresses) > 1 else f" of `{addresses[0]}`"
    return _DOUBTFUL_USER_DATA.at(
        f"The user data{more} {why}.",
        addresses[0],
        place,
        hint="begin it with a line of its own, `#cloud-config` or `#!/bin/sh`; several lines in a stack file need `text: |`",
    )


def _why_ignored(text: str) -> str:
    first, _, rest = text.lstrip("\ufeff").partition("\n")
    if not first.lower().startswith(_KNOWN_STARTS):
        return "begins with no header that cloud-init knows, so cloud-init ignores all of it"
    words = first.split(maxsplit=1)
    if words[0] == _HEADER and len(words) > 1 and not rest.strip():
        return "stands in its first line, which is a comment, so nothing of it is read"
    return ""
