"""The texts of a seed: what the stack says about a VM, as cloud-init reads it.

User data of the user that is a plain #cloud-config is merged with ours into one document: lists are joined, and where both say something,
the user wins. Everything else, and every #cloud-config that says more than JSON can, goes beside ours as it is, as one part of a MIME
message. It is read as YAML 1.1, because that is what cloud-init reads (`0644` is an octal number there), and written as JSON,
which every reader of YAML understands in the same way.

Secrets are read when the seed is written, held against the digest in the plan, and kept nowhere else. A value that is no longer the one
that was planned is refused: a guest would get a password that nobody has approved, and the next plan would not see it.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from herocloud.kits import plain_files
from herocloud.kits.jsons import Json, Spec
from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.images import guest_daemon

HEADER = "#cloud-config\n"
ENV_FILE = "/etc/herocloud/env"
SECRETS_FOLDER = "/etc/herocloud/secrets"

_KINDS = (
    ("#cloud-config-archive", "text/cloud-config-archive"),
    ("#cloud-config-jsonp", "text/cloud-config-jsonp"),
    ("#cloud-config", "text/cloud-config"),
    ("#cloud-boothook", "text/cloud-boothook"),
    ("#include-once", "text/x-include-once-url"),
    ("#include", "text/x-include-url"),
    ("#part-handler", "text/part-handler"),
    ("## template: jinja", "text/jinja2"),
    ("#!", "text/x-shellscript"),
)
"""How user data begins, and what it is then; the first that fits counts."""

# What JSON writes as it is and YAML refuses to read unescaped, or takes for the end of a line.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def user_data(spec: Spec, secrets: Mapping[str, bytes], overlay_key: bytes | None = None, renewal: list[str] | None = None) -> bytes:
    """Return the user data of a VM.

    `overlay_key` is the key of one that runs an overlay daemon of its own, `renewal` a command for its guest to run at each boot.
    """
    ours = own_config(spec, secrets)
    if renewal is not None:
        ours["bootcmd"] = [renewal]
    if overlay_key is not None:
        files, start = guest_daemon.setup(overlay_key, spec["mycelium"]["peers"])
        ours["write_files"] = [*ours.get("write_files", ()), *(file_entry(*file) for file in files)]
        ours["runcmd"] = [["sh", "-c", start]]
    text: str | None = spec["user_data"]
    if not text or not text.strip():
        return document(ours)
    theirs = read_config(text)
    if theirs is not None:
        return document(merge(ours, theirs))
    return _message(document(ours), text)


def own_config(spec: Spec, secrets: Mapping[str, bytes]) -> dict[str, Json]:
    """Return what we ask of the guest."""
    config: dict[str, Json] = {
        "hostname": spec["hostname"],
        "manage_etc_hosts": "localhost",
        "growpart": {"mode": "auto", "devices": ["/"]},
        "resize_rootfs": True,
    }
    if spec["ssh_keys"]:
        config["ssh_authorized_keys"] = list(spec["ssh_keys"])
    files = []
    if spec["env"]:
        files.append(file_entry(ENV_FILE, environment_text(spec["env"]).encode(), "0644"))
    files += [file_entry(f"{SECRETS_FOLDER}/{name}", value, "0600") for name, value in sorted(secrets.items())]
    if files:
        config["write_files"] = files
    return config


def file_entry(path: str, content: bytes, mode: str) -> Json:
    """Return a file that the guest writes."""
    # Base64, so that any content arrives as it is and no quoting can go wrong.
    return {"path": path, "owner": "root:root", "permissions": mode, "encoding": "b64", "content": base64.b64encode(content).decode()}


def environment_text(env: Mapping[str, str]) -> str:
    """Write variables so that a shell and systemd's EnvironmentFile read the same."""
    return "".join(f'{name}="{_quoted(value)}"\n' for name, value in sorted(env.items()))


def _quoted(value: str) -> str:
    return re.sub(r'(["\\$`])', r"\\\1", value)


def read_config(text: str) -> dict[str, Json] | None:
    """Read a #cloud-config; nothing when it is none, or when JSON could not say the same."""
    first = text.split("\n", 1)[0].strip()
    if first != "#cloud-config":
        return None
    from herocloud.providers.images import yaml_1_1

    config = yaml_1_1.read(text)
    return config if isinstance(config, dict) and _is_json(config) else None


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(_is_json(inner) for inner in value)
    if isinstance(value, float):
        return value == value and value not in (float("inf"), float("-inf"))  # noqa: PLR0124  (what is not equal to itself is not a number)
    return value is None or isinstance(value, (str, int, bool))


def merge(ours: Mapping[str, Json], theirs: Mapping[str, Json]) -> dict[str, Json]:
    """Put two configurations together: lists are joined, ours first; else what the user says counts."""
    merged = dict(ours)
    for key, value in theirs.items():
        known = merged.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            merged[key] = merge(known, value)
        elif key in ("write_files", "ssh_authorized_keys", "runcmd", "bootcmd") and isinstance(known, list) and isinstance(value, list):
            merged[key] = [*known, *(item for item in value if item not in known)]
        else:
            merged[key] = value
    keys = ours.get("ssh_authorized_keys")
    users = merged.get("users")
    if keys and isinstance(users, list) and "default" not in users:
        # Without the image's own user nobody would get the keys; the first user of the list is who is meant.
        merged["users"] = _with_keys(users, keys)
    return merged


def _with_keys(users: list[Json], keys: list[str]) -> list[Json]:
    at = next((number for number, one in enumerate(users) if isinstance(one, dict)), None)
    if at is None:
        return users
    user = dict(users[at])
    known = user.get("ssh_authorized_keys") or []
    user["ssh_authorized_keys"] = [*known, *(key for key in keys if key not in known)] if isinstance(known, list) else known
    return [*users[:at], user, *users[at + 1 :]]


def document(config: Json) -> bytes:
    """Write a configuration."""
    return (HEADER + yaml(config)).encode()


def yaml(value: Json) -> str:
    """Write a value as JSON that is YAML as well."""
    import json

    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match.group()):04x}", text) + "\n"


def meta_data(instance: str, spec: Spec) -> bytes:
    """Return the meta data: who the guest is, and whether it is to run its user data again."""
    return yaml({"instance-id": instance, "local-hostname": spec["hostname"]}).encode()


def _message(ours: bytes, text: str) -> bytes:
    """Put our configuration and the user's text side by side."""
    from email import message_from_string
    from email.mime.multipart import MIMEMultipart
    from email.mime.text import MIMEText

    from herocloud.kits import jsons

    # A boundary of chance would make the same seed different every time.
    message = MIMEMultipart("mixed", boundary=f"herocloud-{jsons.digest([ours.decode(), text])}")
    if text.lstrip().lower().startswith(("content-type:", "mime-version:")):
        message.attach(message_from_string(text))
    else:
        kind = next((kind for first, kind in _KINDS if text.lower().startswith(first)), "text/plain")
        message.attach(MIMEText(text, kind.partition("/")[2], "utf-8"))
    own = MIMEText(ours.decode(), "cloud-config", "utf-8")
    # Ours comes second and adds to lists, but takes no key that the user's part has set.
    own.add_header("Merge-Type", "list(append)+dict(no_replace,recurse_list)+str()")
    message.attach(own)
    return message.as_bytes()


KEY = "secret.key"
"""In the data folder: what digests of secrets are keyed with."""
LARGEST = 64 * 1024


def read_secrets(folder: Path, address: str, spec: Spec, environment: Mapping[str, str]) -> dict[str, bytes]:
    """Return the value of every secret of a VM, by name; Conflict when one is not what was planned."""
    values: dict[str, bytes] = {}
    key: bytes | None = None
    for name, secret in sorted(spec["secrets"].items()):
        value = _read(address, name, secret, environment)
        if secret["digest"] is not None:
            key = key or _read_key(folder, address)
            if digest(value, key) != secret["digest"]:
                raise Conflict(
                    f"the secret `{name}` of `{address}` is not the one that was planned: {_origin(secret)} has another value by now. "
                    "Plan again.",
                )
        values[name] = value
    return values


def digest(value: bytes, key: bytes) -> str:
    """Return the keyed digest by which plans and state know a secret."""
    return hashlib.blake2b(value, key=key, digest_size=16).hexdigest()


def _read(address: str, name: str, secret: Json, environment: Mapping[str, str]) -> bytes:
    if "env" in secret:
        text = environment.get(secret["env"])
        if text is None:
            raise Permanent(f"the secret `{name}` of `{address}` is missing: {_origin(secret)} is not set; set it, and resume")
        return text.encode("utf-8", "surrogateescape")
    try:
        value = plain_files.read(secret["file"], LARGEST)
    except OSError as error:
        raise Permanent(f"the secret `{name}` of `{address}` is missing: {_origin(secret)}: {error.strerror}") from error
    return value


def _read_key(folder: Path, address: str) -> bytes:
    try:
        return (folder / KEY).read_bytes()
    except OSError as error:
        raise Permanent(
            f"the secrets of `{address}` cannot be held against the plan: `{folder / KEY}`: {error.strerror}; plan again"
        ) from error


def _origin(secret: Json) -> str:
    return f"the environment variable `{secret['env']}`" if "env" in secret else f"the file `{secret['file']}`"
