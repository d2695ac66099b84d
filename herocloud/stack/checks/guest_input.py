"""What is handed to the guest: public keys that let people in, and user data that cloud-init has to understand.

Both are taken on trust by everything behind the stack file, and a mistake shows only when nobody gets in.
"""

import re
from collections.abc import Sequence

from herocloud.kits.yaml.tree import Path
from herocloud.stack.findings import Findings

_KEY_TYPE = (
    r"(?:ssh-(?:ed25519|rsa|dss)|ecdsa-sha2-nistp(?:256|384|521)|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)"
    r"|(?:ssh-(?:ed25519|rsa|dss)|ecdsa-sha2-nistp(?:256|384|521)|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256))-cert-v01@openssh\.com"
)
_HINT = "paste the line of a public key file, such as `~/.ssh/id_ed25519.pub`: `ssh-ed25519 AAAA… you@example.org`"
_HEADER = "#cloud-config"


def check_keys(path: Path, keys: Sequence[str], findings: Findings) -> None:
    """Check that each text is a public key as `authorized_keys` has them, options in front included."""
    for number, key in enumerate(keys):
        why = _what_is_wrong(key)
        if why and findings.knows(*path, number):
            findings.add("bad-ssh-key", (*path, number), why, _HINT)


def _what_is_wrong(key: str) -> str:
    words = key.split()
    if "PRIVATE KEY" in key:
        return "This is a private key; it must not leave its owner."
    if "\n" in key.strip():
        return "This is more than one line; each key is an entry of its own."
    place = next((number for number, word in enumerate(words) if re.fullmatch(_KEY_TYPE, word)), None)
    if place is None:
        return f"`{_short(key)}` names no type of key."
    if place + 1 == len(words):
        return f"`{_short(key)}` has nothing behind the type of key."
    # Few stacks hold keys, and only they pay for it.
    import base64
    import binascii

    kind, body = words[place].encode(), words[place + 1]
    try:
        blob = base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        return f"`{_short(body)}` is not the body of a key, which is base64."
    # The body begins with the type again, behind its length: what was pasted in part, or from elsewhere, does not.
    if blob[:4] != len(kind).to_bytes(4, "big") or not blob[4:].startswith(kind):
        return f"`{_short(body)}` is not the body of a key of the type `{kind.decode()}`."
    return "" if len(blob) > 4 + len(kind) + 4 else f"`{_short(body)}` is cut off."


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}…"


def check_user_data(path: Path, text: str, findings: Findings) -> None:
    """Check that what calls itself a cloud-config is one; every other kind of user data is the guest's affair."""
    first = text.lstrip("\ufeff").split("\n", 1)[0].strip()
    # An expression that is resolved in the plan has no value here yet.
    if first != _HEADER or "{{" in text:
        return
    from herocloud.providers.images import yaml_1_1

    wrong = yaml_1_1.find_mistake(text)
    if wrong:
        findings.add(
            "bad-user-data", path, f"{wrong}, so cloud-init would ignore all of it.", "`cloud-init schema -c FILE` checks the rest"
        )
