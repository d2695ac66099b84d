"""User names and passwords in addresses: found, and hidden wherever a text may be shown or kept."""

import re

_USERINFO = r"(?<=://)[^/?#\s\"'`@]+(?:@[^/?#\s\"'`@]+)*(?=@)"


def has_credentials(text: str) -> bool:
    """Return whether an address in a text carries a user name or a password."""
    return "@" in text and re.search(_USERINFO, text) is not None


def hide_credentials(text: str) -> str:
    """Write a star for each of their characters, so that columns of a line stay where they are."""
    return re.sub(_USERINFO, lambda match: "*" * len(match.group()), text) if "@" in text else text
