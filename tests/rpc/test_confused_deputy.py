"""The daemon is root and its callers are not: what they may name, they have sent along, or the operator has named a folder for it."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers import drivers
from herocloud.providers.seam import Driver, ProviderContext
from herocloud.rpc.wire import peer_identity

VM = "stack: shop\nimages:\n  tiny: {kernel: ./vmlinuz}\nvms:\n  front:\n    image: tiny\n    memory: 1 GiB\n"
SENT = {"vmlinuz": "a kernel"}


def findings(daemon: Any, yaml: str, **more: Any) -> list[dict[str, Any]]:
    answer = daemon.call("validate_stack", yaml=yaml, contents={**SENT, **more.pop("contents", {})}, **more)
    assert answer["valid"] == (not answer["diagnostics"])
    return answer["diagnostics"]


def codes(daemon: Any, yaml: str, **more: Any) -> list[str]:
    return [found["code"] for found in findings(daemon, yaml, **more)]


FORBIDDEN = ["/etc/shadow", "/", "/etc", "../../../../../../../etc/shadow", "/proc/self/environ", "./not-sent"]


@pytest.mark.parametrize("path", FORBIDDEN)
@pytest.mark.parametrize(
    "line",
    [
        "    user_data: {{file: {path}}}\n",
        "    secrets: {{password: {{file: {path}}}}}\n",
        "    shares: [{{path: {path}, tag: data}}]\n",
    ],
)
def test_a_path_that_was_not_sent_is_refused_and_not_opened(shared: Any, line: str, path: str) -> None:
    found = findings(shared, VM + line.format(path=path))
    assert found
    assert {one["code"] for one in found} <= {"path-refused", "path-missing"}
    assert path == "./not-sent" or {one["code"] for one in found} == {"path-refused"}


@pytest.mark.parametrize("path", ["/etc/shadow", "/", "../../../etc/passwd", "/dev/sda"])
@pytest.mark.parametrize("key", ["kernel", "source", "initramfs"])
def test_images_and_kernels_of_the_host_are_refused(shared: Any, key: str, path: str) -> None:
    image = {"kernel": f"kernel: {path}", "source": f"source: {path}, format: raw", "initramfs": f"kernel: ./vmlinuz, initramfs: {path}"}[
        key
    ]
    assert "path-refused" in codes(shared, VM.replace("kernel: ./vmlinuz", image))


def test_an_exported_stack_with_an_image_of_the_catalogue_can_be_planned_again(start: Any, folder: Path) -> None:
    (folder / "disk.raw").write_bytes(b"\0" * 4096)
    (folder / "hidden.raw").write_bytes(b"\0" * 4096)
    (folder / "images.yaml").write_text("images:\n  lent: {source: ./disk.raw, format: raw}\n", encoding="utf-8")
    daemon = start()
    plan = daemon.call("plan_stack", yaml="stack: shop\nvms: {front: {image: lent, memory: 1 GiB}}\n")
    daemon.call("apply_plan", plan_id=plan["plan_id"], approve=["create"], wait=30)
    [exported] = daemon.call("export", stack="shop")
    assert str(folder / "disk.raw") in exported["yaml"]
    assert daemon.call("plan_stack", yaml=exported["yaml"])["changes"] == 0
    assert codes(daemon, exported["yaml"].replace("disk.raw", "hidden.raw")) == ["path-refused"]
    shared_out = f"    shares: [{{path: {folder / 'disk.raw'}, tag: data}}]\n"
    assert codes(daemon, VM + shared_out) == ["path-unreadable"]
    assert codes(daemon, VM + f"    user_data: {{file: {folder / 'disk.raw'}}}\n") == ["path-refused"]


@pytest.mark.parametrize("key", ["file: /etc/shadow", "file: ./sent.key", "env: HOME"])
def test_a_key_of_the_overlay_is_not_for_callers_to_name(shared: Any, key: str) -> None:
    yaml = VM + f"mycelium: {{addresses: true, key: {{{key}}}}}\n"
    assert "path-refused" in codes(shared, yaml, contents={"sent.key": "0" * 64})


def test_a_path_made_by_an_expression_is_refused_too(shared: Any) -> None:
    yaml = "variables:\n  where: {type: string}\n" + VM + '    user_data: {file: "{{ where }}"}\n'
    assert codes(shared, yaml, variables={"where": "/etc/shadow"}) == ["path-refused"]


def test_a_refusal_does_not_tell_whether_anything_is_there(shared: Any) -> None:
    there = findings(shared, VM + "    user_data: {file: /etc/passwd}\n")
    nothing = findings(shared, VM + "    user_data: {file: /etc/nothing-of-this-name}\n")
    words = [found[0]["detail"].replace("passwd", "X").replace("nothing-of-this-name", "X") for found in (there, nothing)]
    assert words[0] == words[1]


def test_the_daemons_own_environment_is_never_used(shared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEROCLOUD_TEST_SECRET", "of the daemon")
    yaml = VM + "    secrets: {password: {env: HEROCLOUD_TEST_SECRET}}\n"
    assert codes(shared, yaml) == ["secret-missing"]
    assert codes(shared, yaml, environment={"HEROCLOUD_TEST_SECRET": "of the caller"}) == []


def test_what_providers_read_at_apply_time_is_the_callers_environment(daemon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEROCLOUD_TEST_SECRET", "of the daemon")
    read: list[str | None] = []
    open_driver = drivers.open_driver

    def look(name: str, role: str, context: ProviderContext) -> Driver:
        read.append(context.environment.get("HEROCLOUD_TEST_SECRET"))
        return open_driver(name, role, context)

    monkeypatch.setattr(drivers, "open_driver", look)
    yaml = VM + "    secrets: {password: {env: HEROCLOUD_TEST_SECRET}}\n"
    given = {"HEROCLOUD_TEST_SECRET": "of the caller"}
    plan = daemon.call("plan_stack", yaml=yaml, contents=SENT, environment=given)
    daemon.call("apply_plan", plan_id=plan["plan_id"], approve=["create"], wait=60)
    assert set(read) == {"of the caller"}
    read.clear()
    daemon.call("destroy_stack", stack="shop", approve=["destroy"], wait=60)
    assert set(read) == {None}
    read.clear()
    daemon.call("undo", stack="shop", approve=["create"], environment=given, wait=60)
    assert set(read) == {"of the caller"}


def test_what_was_sent_along_is_used(shared: Any) -> None:
    yaml = VM + "    user_data: {file: ./front.yaml}\n    secrets: {password: {file: secrets/password}}\n"
    assert codes(shared, yaml, contents={"front.yaml": "#cloud-config\n", "secrets/password": "hush"}) == []


def test_errors_name_files_as_they_were_sent(shared: Any) -> None:
    for method in ("plan_stack", "validate_stack"):
        wrong = shared.post(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"yaml": "stack: shop\nvms: {Bad: {}}\n"}}))
        assert b'"filename": "stack.yaml"' in wrong.body or b'"filename":"stack.yaml"' in wrong.body
        assert str(shared.folder).encode() not in wrong.body


@pytest.mark.parametrize("name", ["/etc/cron.d/x", "../x", "a/../../x", "a//../x", "", ".", "a\0b", "./x/.."])
def test_files_cannot_be_sent_to_other_places(shared: Any, name: str) -> None:
    refused = shared.refused("validate_stack", yaml=VM, contents={name: "x"})
    assert refused.code == -32602


def test_folders_that_the_operator_named_may_be_named_and_links_out_of_them_may_not(start: Any, folder: Path, tmp_path: Path) -> None:
    shares = tmp_path / "shares"
    (shares / "data").mkdir(parents=True)
    (shares / "vmlinuz").write_text("a kernel", encoding="utf-8")
    (shares / "link").symlink_to("/etc")
    with (folder / "host.yaml").open("a", encoding="utf-8") as host:
        host.write(f"daemon: {{paths: ['{shares}']}}\n")
    daemon = start()
    assert codes(daemon, VM + f"    shares: [{{path: {shares}/data, tag: data}}]\n") == []
    assert codes(daemon, VM.replace("./vmlinuz", f"{shares}/vmlinuz")) == []
    for path in (f"{shares}/link", f"{shares}/../shares-not", f"{shares}/link/shadow"):
        assert codes(daemon, VM + f"    shares: [{{path: {path}, tag: data}}]\n") == ["path-refused"]
    # Content is never read from there: what lies in a shared folder may not be the caller's to read.
    assert codes(daemon, VM + f"    user_data: {{file: {shares}/vmlinuz}}\n") == ["path-refused"]


@pytest.mark.parametrize("image", ["kernel: {path}", "kernel: ./vmlinuz, initramfs: {path}", "source: {path}, unpinned: true, format: raw"])
def test_what_became_a_link_since_the_plan_is_refused(start: Any, folder: Path, tmp_path: Path, image: str) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (tmp_path / "secret").write_bytes(b"s" * 65536)
    file = allowed / "file"
    file.write_bytes(b"k" * 65536)
    with (folder / "host.yaml").open("a", encoding="utf-8") as host:
        host.write(f"daemon: {{paths: ['{allowed}']}}\n")
    daemon = start()
    plan = daemon.call("plan_stack", yaml=VM.replace("kernel: ./vmlinuz", image.format(path=file)), contents=SENT, plan_name="mine")
    assert plan["applyable"]
    file.unlink()
    file.symlink_to(tmp_path / "secret")
    for name in (plan["plan_id"], "mine"):
        refused = daemon.refused("apply_plan", plan_id=name, approve=["create"], wait=60)
        assert refused.code == -32003
        assert [found["code"] for found in refused.data["diagnostics"]] == ["path-refused"]
    assert daemon.call("list_vms") == []


def test_an_image_is_named_and_not_pointed_at(shared: Any) -> None:
    for image in ("/etc/shadow", "file:///etc/shadow", "../tiny", "{{ host.name }}"):
        assert shared.refused("deploy_vm", name="web", slice_sid="s1", image=image).code in (-32009, -32602)


def test_expressions_in_what_a_caller_sends_are_only_text(daemon: Any) -> None:
    text = "#cloud-config {{ vm.other.address.lan }} {{ host.name }}"
    job = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", user_data=text, env={"A": "{{ host.name }}"}, wait=30)
    record = daemon.service.desk.find_vm(job["sid"], "")
    assert record.spec["user_data"] == text
    assert record.spec["env"] == {"A": "{{ host.name }}"}


def test_the_stack_of_deployed_vms_cannot_be_planned_over(shared: Any) -> None:
    yaml = VM.replace("stack: shop", "stack: imperative")
    assert shared.refused("plan_stack", yaml=yaml, contents=SENT).code == -32003
    assert shared.refused("destroy_stack", stack="imperative", approve=["destroy"]).code == -32003


def test_a_share_that_became_a_link_after_the_plan_is_refused(start: Any, folder: Path, tmp_path: Path) -> None:
    shares = tmp_path / "shares"
    (shares / "data").mkdir(parents=True)
    with (folder / "host.yaml").open("a", encoding="utf-8") as host:
        host.write(f"daemon: {{paths: ['{shares}']}}\n")
    daemon = start()
    plan = daemon.call("plan_stack", yaml=VM + f"    shares: [{{path: {shares}/data, tag: data}}]\n", contents=SENT)
    (shares / "data").rmdir()
    (shares / "data").symlink_to("/etc")
    refused = daemon.refused("apply_plan", plan_id=plan["plan_id"], approve=["create"])
    assert (refused.code, refused.data["diagnostics"][0]["code"]) == (-32003, "path-refused")
    assert daemon.call("list_stacks") == []


ASK = """
import json, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "run_plan"}).encode()
connection.sendall(b"POST /rpc HTTP/1.1\\r\\nhost: x\\r\\nconnection: close\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(body) + body)
answer = b""
while piece := connection.recv(65536):
    answer += piece
print(answer.partition(b"\\r\\n\\r\\n")[2].decode())
"""


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to call as another user")
def test_plans_are_taken_from_the_daemons_own_user_only(daemon: Any) -> None:
    assert daemon.call("run_plan") is None
    daemon.folder.chmod(0o755)
    daemon.path.chmod(0o666)
    for user, own in ((0, True), (65534, False)):
        command = ["python3", "-I", "-c", ASK, str(daemon.path)]
        said = subprocess.run(command, user=user, group=user, extra_groups=[], capture_output=True, text=True, check=True, cwd="/").stdout
        answer = json.loads(said)
        assert ("result" in answer) is own
        assert own or answer["error"]["code"] == -32007


def test_plans_are_not_taken_over_tcp(daemon: Any) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "run_plan"}).encode()
    answer = json.loads(daemon.service.answer(body, peer_identity.TCP))
    assert answer["error"]["code"] == -32007
