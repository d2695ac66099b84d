"""What was once accepted without a word: ranges without VMs, keys that let nobody in, broken cloud-configs, passwords in URLs."""

import json

import pytest

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKJ6yWbEYYt3pNiZNQGRsDNFkFVFSl6oHD3zRdqeBOSP you@example.org"
STACK = """\
stack: shop
images:
  debian12: {source: "https://example.org/debian-12.qcow2", unpinned: true, format: qcow2, nocloud: true}
vms:
  web: {image: debian12, %s}
"""
SECRET = "https://ada:hunter2@example.org/debian-12.qcow2"  # noqa: S105  (made up)


def _validate(herocloud, fields: str):
    herocloud.write(STACK % fields)
    return herocloud("validate")


@pytest.mark.parametrize("cidr", ["127.0.0.0/8", "127.1.2.0/24", "0.0.0.0/8", "0.1.0.0/16", "224.0.0.0/24", "239.0.0.0/8", "240.0.0.0/24"])
def test_a_range_that_no_vm_can_have_an_address_in_is_refused(herocloud, cidr: str) -> None:
    herocloud.write(f"stack: shop\nnetworks:\n  lan: {{cidr: {cidr}}}\n")
    ran = herocloud("plan")
    assert (ran.code, f"`{cidr}` is " in ran.err, "hint: use a private range" in ran.err) == (1, True, True), ran.both


@pytest.mark.parametrize("cidr", ["10.42.0.0/24", "126.0.0.0/8", "128.0.0.0/24", "1.0.0.0/24", "223.255.255.0/24"])
def test_the_ranges_beside_them_are_taken(herocloud, cidr: str) -> None:
    herocloud.write(f"stack: shop\nnetworks:\n  lan: {{cidr: {cidr}}}\n")
    assert herocloud("validate").code == 0


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("garbage", "`garbage` names no type of key"),
        ("", "`` names no type of key"),
        ("ssh-ed25519", "has nothing behind the type of key"),
        ("ssh-ed25519 not/base64!", "is not the body of a key, which is base64"),
        ("ssh-rsa " + KEY.split()[1], "is not the body of a key of the type `ssh-rsa`"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "is cut off"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "This is a private key"),
    ],
    ids=["garbage", "nothing", "a type alone", "no base64", "another type", "cut off", "a private key"],
)
def test_a_key_that_lets_nobody_in_is_refused(herocloud, key: str, why: str) -> None:
    ran = _validate(herocloud, f"ssh_keys: {json.dumps([KEY, key])}")
    assert (ran.code, "Not a public SSH key" in ran.err, why in ran.err, "id_ed25519.pub" in ran.err) == (1, True, True, True), ran.both


@pytest.mark.parametrize("key", [KEY, KEY.rpartition(" ")[0], f'command="uptime",no-pty {KEY}'], ids=["plain", "no comment", "options"])
def test_public_keys_are_taken(herocloud, key: str) -> None:
    assert _validate(herocloud, f"ssh_keys: {json.dumps([key])}").code == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("#cloud-config\npackages: [nginx\nruncmd: x\n", "line 3 of it is not YAML"),
        ("#cloud-config\n- packages\n", "it is a list and not a mapping"),
        ("#cloud-config\njust words\n", "it is a text and not a mapping"),
    ],
    ids=["broken YAML", "a list", "a text"],
)
def test_a_cloud_config_that_would_be_ignored_is_refused(herocloud, text: str, why: str) -> None:
    ran = _validate(herocloud, f"user_data: {{text: {json.dumps(text)}}}")
    assert (ran.code, "Not a cloud-config" in ran.err, why in ran.err) == (1, True, True), ran.both
    herocloud.write(text, "web.yaml")
    ran = _validate(herocloud, "user_data: {file: web.yaml}")
    assert (ran.code, "Not a cloud-config" in ran.err, why in ran.err) == (1, True, True), ran.both


@pytest.mark.parametrize(
    "text",
    [
        "#cloud-config\npackages: [nginx]\n",
        "#cloud-config\n",
        "#!/bin/sh\n: [\n",
        "#cloud-config\nhostname: {{ vm.web.mycelium }}\n: [\n",
    ],
    ids=["a good one", "an empty one", "a script", "one that the plan completes"],
)
def test_other_user_data_is_left_alone(herocloud, text: str) -> None:
    ran = _validate(herocloud, f"user_data: {{text: {json.dumps(text)}}}")
    assert "Not a cloud-config" not in ran.err


@pytest.mark.parametrize("cidr", ["169.254.0.0/16", "8.8.8.0/24", "192.0.2.0/24", "198.18.0.0/15", "172.0.0.0/8"])
def test_a_range_that_is_not_private_is_a_warning_with_a_way_out(herocloud, cidr: str) -> None:
    herocloud.write(f"stack: shop\nnetworks:\n  lan: {{cidr: {cidr}}}\n")
    ran = herocloud("plan")
    assert (ran.code, "warning: Addresses that are not for private networks" in ran.err) == (0, True), ran.both
    assert f"`{cidr}` " in ran.err
    assert "hint: use a private range" in ran.err
    herocloud.done("apply", "-y", "-q")
    assert "warning" not in herocloud.done("plan").err, "who applied it has been told"


@pytest.mark.parametrize("cidr", ["10.0.0.0/8", "172.31.0.0/24", "192.168.7.0/24", "100.64.0.0/24"])
def test_private_ranges_are_no_reason_for_a_warning(herocloud, cidr: str) -> None:
    herocloud.write(f"stack: shop\nnetworks:\n  lan: {{cidr: {cidr}}}\n")
    assert "warning" not in herocloud.done("plan").err


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("- just a list\n", "begins with no header that cloud-init knows"),
        ("packages: [nginx]\n", "begins with no header that cloud-init knows"),
        ("# cloud-config\npackages: [nginx]\n", "begins with no header that cloud-init knows"),
        ("#cloud-config packages: [nginx]", "stands in its first line, which is a comment"),
    ],
    ids=["a list", "a mapping", "a slip in the header", "a folded text"],
)
def test_user_data_that_cloud_init_ignores_is_a_warning_with_a_way_out(herocloud, text: str, why: str) -> None:
    herocloud.write(STACK % f"user_data: {{text: {json.dumps(text)}}}")
    ran = herocloud("plan")
    assert (ran.code, "warning: cloud-init would ignore this user data" in ran.err, why in ran.err) == (0, True, True), ran.both
    assert "hint: begin it with a line of its own, `#cloud-config`" in ran.err


@pytest.mark.parametrize(
    "text",
    ["#cloud-config\npackages: [nginx]\n", "#!/bin/sh\ntrue\n", "Content-Type: multipart/mixed; boundary=x\n", '{"ignition": {}}', ""],
    ids=["a cloud-config", "a script", "parts", "Ignition", "nothing"],
)
def test_user_data_that_some_agent_takes_is_no_reason_for_a_warning(herocloud, text: str) -> None:
    herocloud.write(STACK % f"user_data: {{text: {json.dumps(text)}}}")
    assert "warning" not in herocloud.done("plan").err


@pytest.mark.parametrize("words", [("validate",), ("plan",), ("apply", "-y"), ("plan", "--json"), ("validate", "--json")], ids=" ".join)
def test_a_password_in_the_url_of_an_image_is_refused_and_shown_nowhere(herocloud, tmp_path, words) -> None:
    herocloud.write(STACK.replace("https://example.org/debian-12.qcow2", SECRET) % "vcpus: 1")
    files = [] if words[0] == "validate" else ["--html", "a.html", "--md", "a.md", "--junit", "a.xml", "--sarif", "a.sarif"]
    ran = herocloud(*words, *files)
    assert (ran.code, "source-credentials" in ran.both or "Credentials in an image source" in ran.both) == (1, True), ran.both
    written = ran.both + "".join(path.read_text(errors="replace") for path in herocloud.folder.glob("a.*"))
    kept = b"".join(path.read_bytes() for path in herocloud.data_folder.rglob("*") if path.is_file())
    assert ("hunter2" in written, "ada" in written, b"hunter2" in kept) == (False, False, False)
    assert ".netrc" in written


@pytest.fixture
def shop(herocloud):
    herocloud.write(STACK % "vcpus: 1")
    herocloud.done("apply", "-y", "-q")
    (herocloud.folder / "stack.yaml").unlink()
    return herocloud


@pytest.mark.parametrize(
    "words",
    [
        ("vm", "list"), ("state", "list"), ("state", "log"), ("drift",), ("show",), ("output",), ("export",), ("report",), ("vm", "wait"),
        ("vm", "stop", "web"), ("state", "show", "vm.web"), ("state", "rm", "vm.web"), ("destroy", "-y"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_slip_in_the_name_of_a_stack_names_the_nearest(shop, words) -> None:
    ran = shop(*words, "--stack", "shpo")
    assert (ran.code, "did you mean `shop`?" in ran.err) == (1, True), ran.both
    assert [one["state"] for one in json.loads(shop.done("vm", "list", "--json").out)["vms"]] == ["running"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "\x1b[2Jshop", "a'; DROP TABLE records; --", "x" * 5000, "", "shop\n"], ids=repr)
def test_a_hostile_name_of_a_stack_is_refused_and_not_obeyed(shop, name: str) -> None:
    ran = shop("vm", "list", "--stack", name)
    assert (ran.code, "No records of this stack" in ran.err, "\x1b" in ran.both, len(ran.both) < 1000) == (1, True, False, True), ran.both


def test_a_stack_that_was_destroyed_still_has_its_history(shop) -> None:
    shop.done("destroy", "-y", "-q", "--stack", "shop")
    assert "destroy" in shop.done("state", "log", "--stack", "shop").out
