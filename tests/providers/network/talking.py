"""The two ends of a conversation: `serve` answers every caller with the caller's address, `call` prints the answer or why there is none."""

# ruff: noqa: T201  (a program of its own, which answers on stdout)

import socket
import sys


def serve(protocol: str, port: int, family: socket.AddressFamily) -> None:
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as ear:
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ear.bind(("", port))
        if protocol == "tcp":
            ear.listen()
        print("ready", flush=True)
        while True:
            if protocol == "tcp":
                line, caller = ear.accept()
                with line:
                    line.sendall(caller[0].encode())
            else:
                _, caller = ear.recvfrom(100)
                ear.sendto(caller[0].encode(), caller)


def call(protocol: str, host: str, port: int, patience: float) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as line:
        line.settimeout(patience)
        try:
            line.connect((host, port))
            if protocol == "udp":
                line.send(b"?")
            return line.recv(100).decode()
        except OSError as error:
            return f"failed: {error}"


def push(host: str, port: int, size: int) -> None:
    """Send `size` bytes and print the seconds until the other side has taken them all."""
    import time

    with socket.create_connection((host, port), timeout=60) as line:
        started = time.monotonic()
        line.sendall(bytes(size))
        line.shutdown(socket.SHUT_WR)
        line.recv(1)
        print(time.monotonic() - started)


def drain(port: int) -> None:
    """Take all that one caller sends, and tell it when that was all."""
    with socket.create_server(("", port)) as ear:
        print("ready", flush=True)
        line, _ = ear.accept()
        with line:
            while line.recv(1 << 20):
                pass
            line.sendall(b".")


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    if verb == "serve":
        serve(words[0], int(words[1]), socket.AF_INET6 if words[2:] else socket.AF_INET)
    elif verb == "call":
        print(call(words[0], words[1], int(words[2]), float(words[3])))
    elif verb == "push":
        push(words[0], int(words[1]), int(words[2]))
    else:
        drain(int(words[0]))
