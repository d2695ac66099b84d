"""A stand-in for QEMU on a host whose KVM lies: it speaks QMP, writes its serial log, and plays what the file `plays` beside it names.

A proof passes here, under KVM as under emulation; with `slow` it takes more of the processor under KVM. What differs are guests: under
emulation they write to the serial line and their agent answers; under KVM they end in `internal-error` (`crash`), never write a first byte
while they use up the processor (`silent`), write and have no agent (`mute`), answer and write nothing (`terse`), or are as good as anywhere
(`fine`).
"""

import contextlib
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path

DELIMITER = b"\xff"


def main(words):
    text = " ".join(words)
    emulated = "tcg" in text.split("-accel ")[1].split(" ")[0]
    if "isa-debug-exit" in text:
        # A proof: some work under emulation, none under KVM (or half a second of it, if it is `slow`), and success.
        slow = not emulated and Path(__file__).with_name("plays").read_text() == "slow"
        until = time.process_time() + (0.03 if emulated else 0.5 if slow else 0.0)
        while time.process_time() < until:
            pass
        os._exit(99)
    vmm = Vmm(words, emulated)
    vmm.serve()


def documents(wire):
    """Yield each JSON document; nothing promises that a line ends behind one."""
    text = b""
    while piece := wire.recv(65536):
        text = (text + piece).rpartition(DELIMITER)[2].lstrip()
        while text:
            try:
                asked, end = json.JSONDecoder().raw_decode(text.decode())
            except ValueError:
                break
            text = text[end:].lstrip()
            yield asked


class Vmm:
    def __init__(self, words, emulated):
        self.mode = "fine" if emulated else Path(__file__).with_name("plays").read_text()
        self.began = time.monotonic()
        self.cpus = int(words[words.index("-smp") + 1].split("=")[1].split(",")[0])
        self.sockets, self.log = {}, ""
        for place, word in enumerate(words):
            if word == "-chardev" and words[place + 1].startswith("socket,id="):
                options = dict(pair.split("=", 1) for pair in words[place + 1].split(",")[1:])
                if options.get("server") == "on":
                    self.sockets[options["id"]] = options["path"]
                self.log = options.get("logfile", self.log)

    def serve(self):
        servers = {name: self.listen(path) for name, path in self.sockets.items()}
        if self.mode in ("fine", "mute"):
            with Path(self.log).open("ab") as log:
                log.write(b"a guest of the stand-in\r\n")
        for name in ("control", "looking"):
            threading.Thread(target=self.accept, args=(servers[name], self.talk_qmp), daemon=True).start()
        if self.mode in ("fine", "terse"):
            threading.Thread(target=self.accept, args=(servers["agent"], self.talk_agent), daemon=True).start()
        while self.mode == "silent":
            # Slices, because the threads beside have to get their turn.
            sum(range(10_000))
        threading.Event().wait()

    def listen(self, path):
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        server.listen()
        return server

    def accept(self, server, talk):
        while True:
            wire = server.accept()[0]
            threading.Thread(target=self.hear, args=(wire, talk), daemon=True).start()

    def hear(self, wire, talk):
        with contextlib.suppress(OSError, ValueError):
            talk(wire)

    def talk_qmp(self, wire):
        version = {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": ""}
        wire.sendall(json.dumps({"QMP": {"version": version, "capabilities": ["oob"]}}).encode() + b"\r\n")
        for asked in documents(wire):
            answer = {"return": self.answer(asked["execute"], asked.get("arguments", {}))}
            if "id" in asked:
                answer["id"] = asked["id"]
            wire.sendall(json.dumps(answer).encode() + b"\r\n")

    def answer(self, command, arguments):
        if command in ("quit", "system_powerdown"):
            os._exit(0)
        if command == "query-status":
            crashed = self.mode == "crash" and time.monotonic() - self.began > 1.0
            return {"status": "internal-error" if crashed else "running", "running": not crashed}
        if command == "query-cpus-fast":
            return [{"cpu-index": number, "thread-id": os.getpid()} for number in range(self.cpus)]
        if command == "qom-get":
            return 0 if arguments["property"] == "requested-size" else {}
        return [] if command.startswith(("query-", "qom-list")) else {}

    def talk_agent(self, wire):
        for asked in documents(wire):
            if asked["execute"] == "guest-sync-delimited":
                wire.sendall(DELIMITER + json.dumps({"return": asked["arguments"]["id"]}).encode() + b"\n")
            elif asked["execute"] == "guest-shutdown":
                os._exit(0)
            else:
                wire.sendall(b'{"return": {}}\n')


if __name__ == "__main__":
    main(sys.argv[1:])
