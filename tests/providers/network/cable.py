"""Plays a VM's network card: carries frames between a tap of the host and a device in the guest's namespace.

Started in the host's namespace with the tap, the guest's namespace and the guest's MAC. Orders on stdin, one JSON a line: `send` puts a raw
frame on the wire as a guest with its own ideas would; `seen` answers with what has arrived for the guest since the last time. The real
device is opened as a VMM opens it: the tap exists, belongs to this user, and is up.
"""

# ruff: noqa: T201  (a program of its own, which answers on stdout)

import ctypes
import fcntl
import json
import os
import select
import struct
import subprocess
import sys
from pathlib import Path

ATTACH = 0x400454CA
TAP_WITHOUT_INFO = 0x1002
NEW_NETWORK = 0x40000000


def attach(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, ATTACH, struct.pack("16sH22x", name.encode(), TAP_WITHOUT_INFO))
    return device


def enter(namespace: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/run/netns", namespace).open() as place:
        if libc.setns(place.fileno(), NEW_NETWORK) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def main() -> None:
    tap, namespace, mac = sys.argv[1:]
    host = attach(tap)
    enter(namespace)
    guest = attach("eth0")
    subprocess.run(["ip", "link", "set", "eth0", "address", mac, "up"], check=True)
    arrived: list[str] = []
    print("ready", flush=True)
    orders = sys.stdin.fileno()
    rest = b""
    while True:
        ready, _, _ = select.select([host, guest, orders], [], [])
        if host in ready:
            frame = os.read(host, 65536)
            arrived.append(frame.hex())
            os.write(guest, frame)
        if guest in ready:
            os.write(host, os.read(guest, 65536))
        if orders in ready:
            data = os.read(orders, 65536)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                order = json.loads(line)
                if "send" in order:
                    os.write(host, bytes.fromhex(order["send"]))
                    print("sent", flush=True)
                else:
                    print(json.dumps(arrived), flush=True)
                    arrived = []


main()
