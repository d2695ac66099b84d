"""What the daemon does under load: closed loop, calls at a steady rate with a probe beside them, events to many subscribers, memory.

A bare Starlette echo on the same kind of socket stands beside the figures: the distance to it is what dispatch, validation and state cost.
Clients run in processes of their own. `--seconds` is how long each part takes (60 by default; 900 for the figure of memory).
"""

import argparse
import multiprocessing
import os
import queue
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from herocloud.rpc.client import CallError, Client, ConnectionLost

HOST = "name: bench\nsimulated: {memory: 1 TiB, disk: 64 TiB, cpus: 256, uplink: 10 Gbit/s}\nimages: {catalogue: ./images.yaml}\n"
IMAGES = f'images:\n  tiny: {{source: "https://example.org/a.qcow2", sha256: "{"0" * 64}", format: qcow2}}\n'
ECHO = """
import asyncio, socket, sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

async def echo(request):
    return Response(await request.body(), media_type="application/json")

listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(512)
server = uvicorn.Server(uvicorn.Config(Starlette(routes=[Route("/rpc", echo, methods=["POST"])]), log_config=None, access_log=False))
asyncio.run(server.serve(sockets=[listener]))
"""


def one_client(path: Path, slices: list[str], number: int, seconds: float, pace: float | None, answers: Any) -> None:
    """Deploy, look, stop, start and delete until the time is over; with `pace`, one call in so many seconds."""
    chance = random.Random(number)  # noqa: S311  (guards nothing)
    took: list[float] = []
    refused = lost = 0
    ends = time.monotonic() + seconds
    client = Client(path)
    own: str | None = None

    def call(method: str, **params: Any) -> Any:
        nonlocal refused, lost
        began = time.perf_counter()
        try:
            return client.call(method, params)
        except CallError:
            refused += 1
        except ConnectionLost:
            lost += 1
        finally:
            took.append(time.perf_counter() - began)
            if pace is not None:
                time.sleep(max(0.0, pace - (time.perf_counter() - began)) * chance.uniform(0.8, 1.2))
        return None

    while time.monotonic() < ends:
        if own is None:
            job = call("deploy_vm", name=f"vm{number}", slice_sid=chance.choice(slices), image="tiny", wait=30)
            own = job["sid"] if job else None
            continue
        for method in ("get_vm", "stop_vm", "get_vm", "start_vm"):
            call(method, sid=own, **({} if method == "get_vm" else {"wait": 30}))
        call("delete_vm", sid=own, purge=True, wait=30)
        own = None
    if own is not None:
        call("delete_vm", sid=own, purge=True, wait=60)
    client.close()
    answers.put((took, refused, lost))


def crowd(path: Path, clients: int, seconds: float, pace: float | None, beside: Any = None) -> tuple[list[float], int, int, Any]:
    """Run many clients at once; returns every time, what was refused and what was lost."""
    slices = [found["sid"] for found in Client(path).list_slices()]
    answers: Any = multiprocessing.Queue()
    workers = [multiprocessing.Process(target=one_client, args=(path, slices, number, seconds, pace, answers)) for number in range(clients)]
    for worker in workers:
        worker.start()
    seen = beside(seconds) if beside else None
    found = [answers.get() for _ in workers]
    for worker in workers:
        worker.join()
    return [one for took, _, _ in found for one in took], sum(one[1] for one in found), sum(one[2] for one in found), seen


def probe(path: Path, seconds: float) -> list[float]:
    """Call get_vm twenty times a second."""
    client = Client(path)
    sid = next((vm["sid"] for vm in client.list_vms() if vm["name"] == "probed"), None)
    took = []
    ends = time.monotonic() + seconds
    due = time.monotonic()
    while time.monotonic() < ends:
        began = time.perf_counter()
        client.call("get_vm", {"sid": sid})
        took.append(time.perf_counter() - began)
        due += 0.05
        time.sleep(max(0.0, due - time.monotonic()))
    client.close()
    return took


def subscribe(path: Path, first: int, count: int, done: Any) -> None:
    """Read events until there were enough, and say whether they were complete and in order."""
    found = []
    for event in Client(path).stream_events(first):
        found.append(event["seq"])
        if len(found) == count:
            break
    done.put(found == list(range(first, first + count)))


def percentile(values: list[float], share: float) -> float:
    """Return a percentile in milliseconds."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000


def memory_of(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    text = Path(f"/proc/{pid}/statm").read_text(encoding="ascii")
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def echo(folder: Path) -> float:
    """Return the median of a bare echo on a unix socket, in milliseconds."""
    path = folder / "echo.sock"
    process = subprocess.Popen([sys.executable, "-c", ECHO, str(path)])
    client = Client(path)
    took = []
    try:
        while len(took) < 500:
            began = time.perf_counter()
            try:
                client._post(b'{"jsonrpc":"2.0","id":1,"method":"rpc.health"}')  # noqa: SLF001  (the echo does not speak the protocol)
            except Exception:  # noqa: BLE001  (it is not up yet)
                time.sleep(0.05)
                continue
            took.append(time.perf_counter() - began)
    finally:
        client.close()
        process.terminate()
        process.wait()
    return statistics.median(took) * 1000


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="Load on the daemon.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=64)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="hc-bench-"))
    (folder / "host.yaml").write_text(HOST, encoding="utf-8")
    (folder / "images.yaml").write_text(IMAGES, encoding="utf-8")
    path = folder / "rpc.sock"
    command = [sys.executable, "-m", "herocloud", "--data-dir", str(folder), "daemon", "run", "--socket", str(path)]
    daemon = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        return measure(folder, path, daemon.pid, given.seconds, given.clients)
    finally:
        daemon.terminate()
        daemon.wait()
        shutil.rmtree(folder)


def measure(folder: Path, path: Path, pid: int, seconds: float, clients: int) -> int:  # noqa: PLR0915  (one figure after the other)
    """Measure one daemon after the other figure."""
    client = Client(path)
    while True:
        try:
            client.node_register()
            break
        except Exception:  # noqa: BLE001  (it is not up yet)
            time.sleep(0.1)
    client.deploy_vm("probed", client.list_slices()[-1]["sid"], "tiny", wait=30.0)
    plain = []
    for _ in range(500):
        began = time.perf_counter()
        client.rpc_health()
        plain.append(time.perf_counter() - began)
    print(f"echo                {echo(folder):8.2f} ms  bare Starlette on the same kind of socket")
    print(f"rpc.health          {statistics.median(plain) * 1000:8.2f} ms")
    before = client.rpc_health()["last_event"]
    took, refused, lost, _ = crowd(path, clients, seconds, None)
    warm = memory_of(pid)
    in_use = [found["sid"] for found in client.list_slices() if found["state"] == "InUse"]
    vms = client.list_vms()
    leaked = len(in_use) - sum(len(vm["slices"]) for vm in vms)
    seqs = []
    following = before + 1
    while True:
        page = client.events(from_=following, limit=1000)
        if not page["events"]:
            break
        seqs += [event["seq"] for event in page["events"]]
        following = page["next"]
    complete = seqs == list(range(before + 1, before + 1 + len(seqs)))
    speed = f"median {percentile(took, 0.5):.1f} ms, p99 {percentile(took, 0.99):.0f} ms"
    print(f"closed loop         {len(took) / seconds:8.0f} calls/s of {clients} clients, {speed}", flush=True)
    whether = "complete" if complete else "NOT COMPLETE"
    print(f"                    {refused} refused, {lost} lost, {leaked} slices leaked, {len(seqs)} events, {whether}", flush=True)
    took, refused, lost, probed = crowd(path, 20, seconds, 0.2, lambda duration: probe(path, duration))
    beside = f"median {percentile(probed, 0.5):.1f} ms, p99 {percentile(probed, 0.99):.1f} ms (target 25)"
    print(f"steady              {len(took) / seconds:8.0f} calls/s; get_vm beside them: {beside}", flush=True)
    done: Any = multiprocessing.Queue()
    first = client.rpc_health()["last_event"] + 1
    count = int(min(seconds, 20) * 50)
    readers = [multiprocessing.Process(target=subscribe, args=(path, first, count, done)) for _ in range(16)]
    for reader in readers:
        reader.start()
    free = [found["sid"] for found in client.list_slices() if found["state"] == "Free"]
    makers = [threading.Thread(target=make_events, args=(path, count // 4 + 50, number, free[number])) for number in range(4)]
    began = time.monotonic()
    for maker in makers:
        maker.start()
    try:
        # A reader that misses one waits for it for ever.
        whole = all(done.get(timeout=120.0 + 10 * seconds) for _ in readers)
    except queue.Empty:
        whole = False
        for reader in readers:
            reader.terminate()
    spent = time.monotonic() - began
    for worker in (*makers, *readers):
        worker.join()
    print(f"events              {count / spent:8.0f} events/s to 16 subscribers, {'complete and in order' if whole else 'NOT COMPLETE'}")
    print(f"memory              {memory_of(pid):8.1f} MB, {memory_of(pid) - warm:+.1f} MB since the closed loop")
    client.close()
    return 0 if complete and whole and leaked == 0 else 1


def make_events(path: Path, count: int, number: int, slice_sid: str) -> None:
    """Make events: each refused deployment is two of them."""
    client = Client(path)
    for _ in range(count // 2):
        try:
            client.call("deploy_vm", {"name": f"event{number}", "slice_sid": slice_sid, "image": "nothing-of-this-name"})
        except CallError:
            continue
    client.close()


if __name__ == "__main__":
    raise SystemExit(main())
