"""User names and passwords in addresses: found, and hidden wherever a text may be shown or kept."""

import re

_USERINFO = re.compile(r"(?<=://)[^/?#\s\"'`@]+(?:@[^/?#\s\"'`@]+)*(?=@)")


def has_credentials(text: str) -> bool:
    """Return whether an address in a text carries a user name or a password."""
    return "@" in text and _USERINFO.search(text) is not None


def hide_credentials(text: str) -> str:
    """Write a star for each of their characters, so that columns of a line stay where they are."""
    return _USERINFO.sub(lambda match: "*" * len(match.group()), text) if "@" in text else text
