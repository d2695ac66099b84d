"""The generated client: what is checked in, every method through it, errors, waiting, events over broken connections."""

import asyncio
import contextlib
import inspect
import threading
from pathlib import Path
from typing import Any

import pytest

from herocloud.rpc.client import AsyncClient, CallError, Client, ConnectionLost, JobFailed, NoDaemon, error_types, wire
from herocloud.rpc.methods import generation

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", sorted(map(str, generation.generate())))
def test_the_checked_in_client_is_what_the_document_says(path: str) -> None:
    content = generation.generate()[Path(path)]
    expected = generation.format_python(content, ROOT) if path.endswith(".py") else content
    assert (ROOT / path).read_text(encoding="utf-8") == expected, "scripts/openrpc writes it"


def test_both_clients_have_the_same_methods(document: dict[str, Any]) -> None:
    for method in document["methods"]:
        name = method["name"].replace(".", "_")
        blocking, awaited = getattr(Client, name), getattr(AsyncClient, name)
        assert inspect.signature(blocking) == inspect.signature(awaited)
        assert inspect.iscoroutinefunction(awaited)


def test_what_a_method_is_about_needs_no_name(document: dict[str, Any]) -> None:
    for method in document["methods"]:
        parameters = list(inspect.signature(getattr(Client, method["name"].replace(".", "_"))).parameters.values())[1:]
        assert [parameter.kind for parameter in parameters[:1] if parameter.kind is parameter.KEYWORD_ONLY] == [], method["name"]


def _arguments(example: dict[str, Any]) -> dict[str, Any]:
    return {f"{one['name']}_" if one["name"] == "from" else one["name"]: one["value"] for one in example["params"]}


def test_every_method_is_called_through_the_blocking_client(daemon: Any, document: dict[str, Any]) -> None:
    with Client(daemon.path) as client:
        for method in document["methods"]:
            for example in method["examples"]:
                answer = getattr(client, method["name"].replace(".", "_"))(**_arguments(example))
                assert type(answer) is type(example["result"]["value"]), method["name"]


def test_every_method_is_called_through_the_other_client(daemon: Any, document: dict[str, Any]) -> None:
    async def walk() -> None:
        async with AsyncClient(daemon.path) as client:
            for method in document["methods"]:
                for example in method["examples"]:
                    answer = await getattr(client, method["name"].replace(".", "_"))(**_arguments(example))
                    assert type(answer) is type(example["result"]["value"]), method["name"]

    asyncio.run(walk())


def test_an_error_has_a_class_for_its_code(daemon: Any) -> None:
    with Client(daemon.path) as client:
        with pytest.raises(error_types.NotFound) as caught:
            client.get_slice("s99")
        assert caught.value.data["diagnostics"][0]["code"] == "unknown-slice"
        with pytest.raises(error_types.InvalidParams):
            client.call("get_slice", {"slice_sid": 5})
        with pytest.raises(error_types.MethodNotFound):
            client.call("get_slize", {})
        assert issubclass(error_types.SliceInUse, CallError)


def test_waiting_returns_the_job_that_is_done_and_raises_for_one_that_failed(daemon: Any) -> None:
    with Client(daemon.path) as client:
        done = client.wait(client.deploy_vm("web", "s1", "tiny"))
        assert (done["status"], done["result"]["status"]) == ("done", "running")
        stopped = client.wait(client.stop_vm(done["sid"] or ""))
        assert stopped["result"]["status"] == "stopped"
    (daemon.folder / "scenario.yaml").write_text(
        'rules:\n  - {address: "vm.bad", step: "*boot*", fail: kernel panicked}\n', encoding="utf-8"
    )
    text = (daemon.folder / "host.yaml").read_text(encoding="utf-8")
    (daemon.folder / "host.yaml").write_text(text + "simulator: {scenario: ./scenario.yaml}\n", encoding="utf-8")
    with Client(daemon.path) as client:
        job = client.deploy_vm("bad", "s2", "tiny")
        with pytest.raises(JobFailed, match="kernel panicked"):
            client.wait(job)
        assert client.get_slice("s2")["state"] == "Free"


def test_without_a_daemon_it_says_where_nobody_answers(folder: Path) -> None:
    with pytest.raises(NoDaemon, match=r"rpc\.sock"):
        Client(folder / "rpc.sock").node_status()
    with pytest.raises(NoDaemon, match=r"rpc\.sock"):
        asyncio.run(AsyncClient(folder / "rpc.sock").node_status())


def test_a_call_whose_connection_broke_is_sent_again_and_deploys_once(daemon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(daemon.path)
    sent = client._post
    broken: list[bytes] = []

    def lose_the_first(body: bytes) -> bytes:
        answer = sent(body)
        if not broken:
            broken.append(body)
            raise ConnectionLost("the answer was lost")
        return answer

    monkeypatch.setattr(client, "_post", lose_the_first)
    job = client.deploy_vm("web", "s1", "tiny", wait=30.0)
    assert (job["status"], job["job_id"]) == ("done", "j1")
    assert len(client.list_jobs()) == 1
    client.close()


def test_events_go_on_where_a_broken_stream_ended(start: Any) -> None:
    daemon = start()
    daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)
    seen: list[int] = []
    again = threading.Event()

    def read() -> None:
        for event in Client(daemon.path).stream_events(1):
            seen.append(event["seq"])
            if event["type"] == "job_done" and event["data"]["method"] == "stop_vm":
                again.set()
                return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    daemon.close()
    second = start()
    second.call("stop_vm", sid="vnyhs9", wait=30)
    assert again.wait(30)
    assert seen == list(range(1, len(seen) + 1))


def test_events_come_in_order_to_the_other_client_too(daemon: Any) -> None:
    daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)

    async def read() -> list[int]:
        found = []
        async with contextlib.aclosing(AsyncClient(daemon.path).stream_events(1)) as events:
            async for event in events:
                found.append(event["seq"])
                if event["type"] == "job_done":
                    return found
        return found

    found = asyncio.run(asyncio.wait_for(read(), 30))
    assert found == list(range(1, len(found) + 1))


def test_pieces_of_a_stream_make_the_same_events_however_they_are_cut() -> None:
    text = b': heartbeat\n\nid: 1\nevent: a\ndata: {"seq":1}\n\nid: 2\nevent: b\ndata: {"seq":2}\n\n'
    for cut in range(len(text)):
        reader = wire.FrameReader()
        assert [event["seq"] for event in reader.feed(text[:cut]) + reader.feed(text[cut:])] == [1, 2]
