"""What the daemon does under load: closed loop, calls at a steady rate with a probe beside them, events to many subscribers, memory.

A bare Starlette echo on the same kind of socket stands beside the figures: the distance to it is what dispatch, validation and state cost.
Clients run in processes of their own. `--seconds` is how long each part takes (60 by default), and `--memory-seconds 900` adds a quarter of
an hour at the steady rate, at whose end stands what the daemon grew by. Before it the same load warms the daemon up, a minute at a time,
until its memory is level; what each of these minutes added is printed too. Memory is what is resident, the median of a minute under load.
Where a machine cannot carry the steady rate, the rate that it did carry is printed beside the one that was asked for: the probe then
measures a daemon that is always busy. Clients and daemon share the processors of one machine, and whatever else runs there has its part as
well: what each of them used is printed beside the times.
"""

import argparse
import itertools
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
from typing import Any, NamedTuple

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


JOBS_OF_CALLS = 4 / 6
"""The share of calls that are jobs: the others look at a VM."""
CALLS_A_SECOND = 100
"""The rate of all clients together in the steady part."""
EVENTS_A_SECOND = 200
MINUTE = 60.0
"""The memory of a minute is the median of its readings."""
LEVEL_MB = 0.3
"""The memory is level once a minute of the warm-up adds less than this. What goes on at that pace is far beyond the target in the end."""
MOST_MINUTES = 10
"""Of the warm-up: what is not level by then does not become so."""
MAKERS = 4
"""Callers that make the events; each call is two of them."""


def one_client(path: Path, slices: list[str], number: int, seconds: float, pace: float | None, answers: Any) -> None:
    """Deploy, look, stop, start and delete until the time is over; with `pace`, one call in so many seconds."""
    chance = random.Random(number)  # noqa: S311  (guards nothing)
    took: list[float] = []
    refused = lost = in_time = 0
    ends = time.monotonic() + seconds
    client = Client(path)
    own: str | None = None
    if pace is not None:
        # A steady rate has no burst at its beginning.
        time.sleep(pace * chance.random())

    def call(method: str, **params: Any) -> Any:
        nonlocal refused, lost, in_time
        began = time.perf_counter()
        try:
            return client.call(method, params)
        except CallError:
            refused += 1
        except ConnectionLost:
            lost += 1
        finally:
            took.append(time.perf_counter() - began)
            in_time += time.monotonic() < ends
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
    answers.put((took, refused, lost, in_time))


class Crowd(NamedTuple):
    """What many clients at once saw."""

    took: list[float]
    refused: int
    lost: int
    a_second: float
    """Calls that ended within the time; a full queue is worked off after it, and does not count."""
    seen: Any
    """What ran beside them saw."""
    busy: float
    """How much of one processor the clients used."""


def crowd(path: Path, clients: int, seconds: float, pace: float | None, beside: Any = None) -> Crowd:
    """Run many clients at once."""
    slices = [found["sid"] for found in Client(path).list_slices()]
    answers: Any = multiprocessing.Queue()
    before, began = os.times(), time.monotonic()
    workers = [multiprocessing.Process(target=one_client, args=(path, slices, number, seconds, pace, answers)) for number in range(clients)]
    for worker in workers:
        worker.start()
    seen = beside(seconds) if beside else None
    found = [answers.get() for _ in workers]
    for worker in workers:
        worker.join()
    refused, lost, in_time = (sum(one[number] for one in found) for number in (1, 2, 3))
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Crowd([one for took, *_ in found for one in took], refused, lost, in_time / seconds, seen, used / (time.monotonic() - began))


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


def cpu_of(pid: int) -> float:
    """Return the seconds that processors worked for a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
    parser.add_argument("--memory-seconds", type=float, default=0.0, help="also watch the memory for so long at the steady rate (900)")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="hc-bench-"))
    (folder / "host.yaml").write_text(HOST, encoding="utf-8")
    (folder / "images.yaml").write_text(IMAGES, encoding="utf-8")
    path = folder / "rpc.sock"
    command = [sys.executable, "-m", "herocloud", "--data-dir", str(folder), "daemon", "run", "--socket", str(path)]
    daemon = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        return measure(folder, path, daemon.pid, given.seconds, given.clients, given.memory_seconds)
    finally:
        daemon.terminate()
        daemon.wait()
        shutil.rmtree(folder)


def _machine() -> str:
    """Say how many processors there are, and how many programs wanted one of late."""
    return f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"


def measure(  # noqa: PLR0915  (one figure after the other)
    folder: Path, path: Path, pid: int, seconds: float, clients: int, memory_seconds: float
) -> int:
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
    print(f"rpc.health          {statistics.median(plain) * 1000:8.2f} ms; {_machine()}")
    before = client.rpc_health()["last_event"]
    took, refused, lost, speed, _, _ = crowd(path, clients, seconds, None)
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
    times = f"median {percentile(took, 0.5):.1f} ms, p99 {percentile(took, 0.99):.0f} ms"
    print(f"closed loop         {speed:8.0f} calls/s of {clients} clients, {times}", flush=True)
    whether = "complete" if complete else "NOT COMPLETE"
    print(f"                    {refused} refused, {lost} lost, {leaked} slices leaked, {len(seqs)} events, {whether}", flush=True)
    pace = clients / CALLS_A_SECOND
    busy, began = cpu_of(pid), time.monotonic()
    took, refused, lost, speed, probed, used = crowd(path, clients, seconds, pace, lambda duration: probe(path, duration))
    spent = cpu_of(pid) - busy
    cost = spent * 1000 / max(1, len(took) * JOBS_OF_CALLS)
    share = spent / (time.monotonic() - began)
    beside = f"median {percentile(probed, 0.5):.1f} ms, p99 {percentile(probed, 0.99):.1f} ms (target 25)"
    print(f"steady              {speed:8.0f} calls/s of {clients} clients ({CALLS_A_SECOND} wanted), {cost:.1f} ms CPU for each job")
    print(f"                    get_vm beside them: {beside}; {refused} refused, {lost} lost")
    print(f"                    of one processor: daemon {share:.0%}, clients {used:.0%}; {_machine()}", flush=True)
    done: Any = multiprocessing.Queue()
    first = client.rpc_health()["last_event"] + 1
    count = int(min(seconds, 20) * EVENTS_A_SECOND)
    readers = [multiprocessing.Process(target=subscribe, args=(path, first, count, done)) for _ in range(16)]
    for reader in readers:
        reader.start()
    free = [found["sid"] for found in client.list_slices() if found["state"] == "Free"]
    makers = [threading.Thread(target=make_events, args=(path, count // MAKERS + 50, number, free[number])) for number in range(MAKERS)]
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
    order = "complete and in order" if whole else "NOT COMPLETE"
    print(f"events              {count / spent:8.0f} events/s ({EVENTS_A_SECOND} wanted) to 16 subscribers, {order}")
    print(f"memory              {memory_of(pid):8.1f} MB, {memory_of(pid) - warm:+.1f} MB since the closed loop", flush=True)
    if memory_seconds > 0:
        watch_memory(path, pid, clients, memory_seconds)
    client.close()
    return 0 if complete and whole and leaked == 0 else 1


def watch_memory(path: Path, pid: int, clients: int, seconds: float) -> None:
    """Print what a daemon grows by at the steady rate, once its memory is level."""
    pace, minute = clients / CALLS_A_SECOND, min(MINUTE, seconds)

    def last_minute(duration: float) -> float:
        time.sleep(duration - minute)
        return statistics.median(memory_each_second(pid, minute))

    sizes: list[float] = []
    while len(sizes) < 2 or (sizes[-1] - sizes[-2] >= LEVEL_MB and len(sizes) < MOST_MINUTES):
        sizes.append(crowd(path, clients, minute, pace, last_minute).seen)
    level = "level" if sizes[-1] - sizes[-2] < LEVEL_MB else "NOT LEVEL"
    steps = ", ".join(f"{after - before:+.1f}" for before, after in itertools.pairwise(sizes))
    print(f"memory              {sizes[-1]:8.1f} MB, {level} after {len(sizes)} times {minute:.0f} s of warm-up: {steps} MB", flush=True)
    found = crowd(path, clients, seconds, pace, last_minute)
    grown, rate = found.seen - sizes[-1], f"{found.a_second:.0f} calls/s ({CALLS_A_SECOND} wanted)"
    print(f"memory              {grown:+8.1f} MB in {seconds:.0f} s at the steady rate after that (target below 1 MB in 900 s)")
    print(f"                    {rate}, {found.refused} refused, {found.lost} lost; {_machine()}")


def memory_each_second(pid: int, seconds: float) -> list[float]:
    """Read the memory of a process for so long."""
    sizes = []
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        sizes.append(memory_of(pid))
        time.sleep(1.0)
    return sizes


def make_events(path: Path, count: int, number: int, slice_sid: str) -> None:
    """Make events at this caller's share of the rate: each refused deployment is two of them."""
    client = Client(path)
    due = time.monotonic()
    for _ in range(count // 2):
        due += 2 * MAKERS / EVENTS_A_SECOND
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            client.call("deploy_vm", {"name": f"event{number}", "slice_sid": slice_sid, "image": "nothing-of-this-name"})
        except CallError:
            continue
    client.close()


if __name__ == "__main__":
    raise SystemExit(main())
