"""The user's data and ours end up in one configuration, or side by side; never is a word of the user's changed in meaning."""

import email
import json
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herocloud.providers.images import seed_texts, yaml_1_1

pytestmark = pytest.mark.world

SYSTEM_PYTHON = "/usr/bin/python3"


def system_has(module):
    ran = subprocess.run([SYSTEM_PYTHON, "-c", f"import {module}"], capture_output=True, check=False)
    return ran.returncode == 0


needs_pyyaml = pytest.mark.skipif(not system_has("yaml"), reason="needs PyYAML for the system's Python (package python3-yaml)")
needs_cloud_init = pytest.mark.skipif(not system_has("cloudinit"), reason="needs cloud-init (package cloud-init)")


def compose(shapes, **fields):
    """Return the user data as text, and as a configuration where it is one."""
    text = seed_texts.user_data(shapes.spec(**fields), {}).decode()
    return text, json.loads(text.removeprefix(seed_texts.HEADER)) if text.startswith(seed_texts.HEADER) else None


def test_without_user_data_the_guest_gets_its_name_and_room_to_grow(shapes) -> None:
    _, config = compose(shapes, ssh_keys=["ssh-ed25519 AAAA me"], env={"A": "1"})
    assert config == {
        "hostname": "web",
        "manage_etc_hosts": "localhost",
        "growpart": {"mode": "auto", "devices": ["/"]},
        "resize_rootfs": True,
        "ssh_authorized_keys": ["ssh-ed25519 AAAA me"],
        "write_files": [
            {"path": "/etc/herocloud/env", "owner": "root:root", "permissions": "0644", "encoding": "b64", "content": "QT0iMSIK"}
        ],
    }


def test_lists_are_joined_and_the_user_wins_where_both_speak(shapes) -> None:
    theirs = (
        "#cloud-config\nhostname: mine\ngrowpart: {mode: off}\npackages: [nginx]\n"
        "ssh_authorized_keys: [theirs, ours]\nwrite_files: [{path: /a}]\n"
    )
    _, config = compose(shapes, user_data=theirs, ssh_keys=["ours"], env={"A": "1"})
    assert config["hostname"] == "mine"
    assert config["growpart"] == {"mode": False, "devices": ["/"]}
    assert config["packages"] == ["nginx"]
    assert config["ssh_authorized_keys"] == ["ours", "theirs"]
    assert [one["path"] for one in config["write_files"]] == ["/etc/herocloud/env", "/a"]


def test_keys_go_to_the_first_user_where_the_images_own_is_left_out(shapes) -> None:
    _, config = compose(
        shapes, user_data="#cloud-config\nusers:\n  - {name: ada, ssh_authorized_keys: [hers]}\n  - bob\n", ssh_keys=["ours"]
    )
    assert config["users"] == [{"name": "ada", "ssh_authorized_keys": ["hers", "ours"]}, "bob"]
    _, config = compose(shapes, user_data="#cloud-config\nusers: [default, {name: ada}]\n", ssh_keys=["ours"])
    assert config["users"] == ["default", {"name": "ada"}]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("#!/bin/sh\necho hello\n", "text/x-shellscript"),
        ("#include\nhttps://example.org/config\n", "text/x-include-url"),
        ("#include-once\nhttps://example.org/config\n", "text/x-include-once-url"),
        ("#cloud-boothook\necho early\n", "text/cloud-boothook"),
        ("#cloud-config-archive\n- type: text/plain\n", "text/cloud-config-archive"),
        ("## template: jinja\n#cloud-config\nhostname: {{ v1.region }}\n", "text/jinja2"),
        ("#part-handler\ndef list_types(): return []\n", "text/part-handler"),
        ("#cloud-config\nexpires: 2030-01-01\n", "text/cloud-config"),
        ("#cloud-config\na: 1\na: 2\n", "text/cloud-config"),
        ("#cloud-config\n{ broken\n", "text/cloud-config"),
        ("nothing that anybody knows\n", "text/plain"),
    ],
    ids=lambda value: value.partition("\n")[0],
)
def test_what_cannot_be_merged_goes_beside_ours_as_it_is(shapes, text, kind) -> None:
    said, _ = compose(shapes, user_data=text)
    message = email.message_from_string(said)
    theirs, ours = message.get_payload()
    assert theirs.get_content_type() == kind
    assert theirs.get_payload(decode=True).decode() == text
    assert ours.get_content_type() == "text/cloud-config"
    assert ours.get_payload(decode=True).startswith(b"#cloud-config\n{")
    # The same seed is the same every time.
    assert compose(shapes, user_data=text)[0] == said


def test_a_message_of_the_users_own_is_taken_as_one(shapes) -> None:
    text = 'Content-Type: multipart/mixed; boundary="b"\nMIME-Version: 1.0\n\n--b\nContent-Type: text/x-shellscript\n\n#!/bin/sh\n--b--\n'
    said, _ = compose(shapes, user_data=text)
    assert [part.get_content_type() for part in email.message_from_string(said).walk()] == [
        "multipart/mixed",
        "multipart/mixed",
        "text/x-shellscript",
        "text/cloud-config",
    ]


_MERGE = """
import json, sys
from cloudinit import helpers, user_data
from cloudinit.handlers import cloud_config
folder = sys.argv[1]
paths = helpers.Paths({"cloud_dir": folder, "run_dir": folder})
handler = cloud_config.CloudConfigPartHandler(paths)
for part in user_data.UserDataProcessor(paths).process(sys.stdin.buffer.read()).walk():
    if part.get_content_type() == "text/cloud-config":
        handler.handle_part(None, part.get_content_type(), "part", part.get_payload(decode=True).decode(), None, dict(part.items()))
print(json.dumps(handler.cloud_buf, default=str))
"""


@needs_cloud_init
def test_cloud_init_itself_merges_what_lies_side_by_side(shapes, tmp_path) -> None:
    theirs = "#cloud-config\nhostname: mine\nexpires: 2030-01-01\nwrite_files: [{path: /a}]\nssh_authorized_keys: [theirs]\n"
    said, _ = compose(shapes, user_data=theirs, ssh_keys=["ours"], env={"A": "1"})
    ran = subprocess.run([SYSTEM_PYTHON, "-c", _MERGE, str(tmp_path)], input=said.encode(), capture_output=True, check=True)
    config = json.loads(ran.stdout)
    assert (config["hostname"], config["expires"]) == ("mine", "2030-01-01")
    assert [one["path"] for one in config["write_files"]] == ["/a", "/etc/herocloud/env"]
    assert config["ssh_authorized_keys"] == ["theirs", "ours"]
    assert config["growpart"] == {"mode": "auto", "devices": ["/"]}


@pytest.mark.parametrize("value", ["plain", 'a "b" $c `d` \\e', "two\nlines", "tab\tand 'single'", "ünïcode", "#no comment", ""])
def test_a_shell_reads_every_variable_as_it_was_written(tmp_path, value) -> None:
    path = tmp_path / "env"
    path.write_text(seed_texts.environment_text({"VALUE": value}), encoding="utf-8")
    ran = subprocess.run(["sh", "-c", f'. {path}; printf "%s" "$VALUE"'], capture_output=True, check=True)
    assert ran.stdout.decode() == value


SPELLINGS = """\
a: [yes, No, on, OFF, true, y, n, Y, ~, null, Null, "", '']
b: [0644, 0o644, 0x1F, 0b101, 1_000, 08, 007, -0x1f, +12, 190:20:30, 1:30.5, 1:99, 0, -0, 00]
c: [1e3, 1.0e+3, 1., .5, -.5, 1.5e5, +1.0, 1_0.0, 0.1e-2, 1.0e3]
d: [52:54:00:12:34:56, 10.42.0.1, 1.2.3, a:b, http://x/y, 12:30, "0644", 'yes']
e: {<<: {x: 1, y: 2}, y: 3}
f: &anchor {k: v}
g: [*anchor, *anchor]
h: {<<: [*anchor, {k: other, l: w}]}
i: |
  #!/bin/sh
    echo 'indented'
j: >-
  folded
  text
k: "escaped \\t \\x41 \\u00fc"
l: plain text with spaces # and a comment
m: {a: 1, b: [c, {d: e}]}
n:
- not indented
o: 'it''s'
"""


def read_by_pyyaml(texts):
    code = """import json, sys, yaml
for text in json.load(sys.stdin):
    try:
        print(json.dumps([yaml.safe_load(text)]))
    except Exception:
        print("null")
"""
    ran = subprocess.run([SYSTEM_PYTHON, "-c", code], input=json.dumps(texts), capture_output=True, check=True, text=True)
    return [json.loads(line) for line in ran.stdout.splitlines()]


@needs_pyyaml
@pytest.mark.parametrize("line", [SPELLINGS, *SPELLINGS.splitlines()[:4]], ids=["everything", "words", "integers", "floats", "texts"])
def test_user_data_is_read_as_cloud_inits_own_library_reads_it(line) -> None:
    (expected,) = read_by_pyyaml([line])
    assert expected is not None
    assert yaml_1_1.read(line) == expected[0]


@needs_pyyaml
def test_plain_scalars_of_every_sort_mean_what_they_mean_there() -> None:
    """Each text stands alone in a list; where we see more than JSON can say, the text is kept as it is, which is right too."""
    alphabet = "0123456789_.:-+eExXobBnyYfalstruNO~="

    @settings(max_examples=1, deadline=None, derandomize=True)
    @given(st.lists(st.text(alphabet, min_size=1, max_size=7), min_size=3000, max_size=3000))
    def check(texts):
        lines = [f"[{text}]" for text in texts]
        for line, expected in zip(lines, read_by_pyyaml(lines), strict=True):
            found = yaml_1_1.read(line)
            assert found is None or expected is None or json.loads(json.dumps(found)) == expected[0], line

    check()


@needs_pyyaml
@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_what_is_written_is_read_back_by_cloud_inits_own_library(value) -> None:
    text = seed_texts.yaml(value)
    ran = subprocess.run(
        [SYSTEM_PYTHON, "-c", "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin.buffer.read().decode())))"],
        input=text.encode("utf-8", "surrogatepass"),
        capture_output=True,
        check=True,
    )
    assert json.loads(ran.stdout) == json.loads(json.dumps(value))
