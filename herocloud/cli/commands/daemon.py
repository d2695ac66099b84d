"""The daemon: run, looked at, ended, installed."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from herocloud.cli import entry, exit_codes, flags, presentation
from herocloud.cli.command import BadValue, Call
from herocloud.rpc.daemon import daemon_process

Socket = Annotated[
    Path | None, flags.option("--socket", metavar="PATH", help="Where it listens; rpc.sock in the runtime folder by default.")
]


def run(
    call: Call,
    *,
    detach: Annotated[bool, flags.switch("--detach", variable="", help="Go on in the background, and return once it answers.")] = False,
    boot_only: Annotated[
        bool, flags.switch("--boot-only", variable="", help="Start the VMs that should run after a reboot, and end.")
    ] = False,
    shutdown_only: Annotated[
        bool, flags.switch("--shutdown-only", variable="", help="Shut all guests down where the host goes down, and end.")
    ] = False,
    socket: Socket = None,
    listen: Annotated[
        str | None, flags.option("--listen", variable="", metavar="ADDR:PORT", help="Listen over TCP too; wants a token file.")
    ] = None,
    token_file: Annotated[
        Path | None, flags.option("--token-file", variable="", metavar="FILE", help="File of mode 0600 with the token of callers over TCP.")
    ] = None,
    tls_certificate: Annotated[
        Path | None, flags.option("--tls-certificate", variable="", metavar="FILE", help="Certificate for TLS over TCP.")
    ] = None,
    tls_key: Annotated[Path | None, flags.option("--tls-key", variable="", metavar="FILE", help="Its private key.")] = None,
) -> int:
    """Serve JSON-RPC on a unix socket, and look after the VMs."""
    _require_all_used(listen, {"--token-file": token_file, "--tls-certificate": tls_certificate, "--tls-key": tls_key})
    ends = [flag for flag, is_given in (("--boot-only", boot_only), ("--shutdown-only", shutdown_only)) if is_given]
    if ends and (detach or listen is not None or len(ends) > 1):
        raise BadValue("it does one thing and ends; leave out `--detach`, `--listen` and any other `--…-only`", ends[0])
    if boot_only:
        return _boot(call)
    if shutdown_only:
        daemon_process.shut_down(call.folder, call.note)
        return exit_codes.DONE
    path = daemon_process.choose_socket(call.folder, socket, call.environment)
    listener = daemon_process.read_listener(listen, token_file, tls_certificate, tls_key)
    words = ["--socket", str(path), *_given(listen, token_file, tls_certificate, tls_key)]
    if detach:
        found = daemon_process.detach(call.folder, words)
        presentation.show(call, lambda: _document(found), lambda: f"The daemon runs as process {found.pid} and listens at {found.socket}.")
        return exit_codes.DONE
    if entry.is_own_process():
        daemon_process.begin_again(call.folder, words, os.environ)
    daemon_process.run(call.folder, path, call.environment, listener)
    return exit_codes.DONE


def _require_all_used(listen: str | None, for_callers: Mapping[str, Path | None]) -> None:
    """Refuse files for callers over TCP where nothing listens over TCP: who names one believes that somebody has to show a token."""
    unused = [flag for flag, path in for_callers.items() if path is not None]
    if unused and listen is None:
        raise BadValue("only callers over TCP need this; add `--listen 127.0.0.1:8443` to let them in, or leave it out", unused[0])


def _given(listen: str | None, token_file: Path | None, certificate: Path | None, key: Path | None) -> list[str]:
    """Return the flags of the TCP listener for the process in the background, which works in another folder."""
    if listen is None:
        return []
    paths = {"--token-file": token_file, "--tls-certificate": certificate, "--tls-key": key}
    return ["--listen", listen, *(word for flag, path in paths.items() if path is not None for word in (flag, str(path.absolute())))]


def _boot(call: Call) -> int:
    """Bring VMs back without a daemon."""
    from herocloud.cli import requests

    failed = daemon_process.bring_back(call.folder, call.note, requests.make_caller(call, "--boot-only"))
    return exit_codes.ERROR if failed else exit_codes.DONE


def status(call: Call) -> int:
    """Show whether a daemon runs for this data folder."""
    process = daemon_process.find(call.folder)
    if process is None:
        presentation.show(call, lambda: {"format_version": "1.0", "running": False}, lambda: "No daemon runs for this data folder.")
        return exit_codes.ERROR
    health = daemon_process.ask_health(process)
    reasons = "; ".join(health.get("reasons") or ()) or "it works"
    warnings = "".join(f"\nWarning: {warning}" for warning in health.get("warnings") or ())
    seconds = round(time.time() - process.since)
    presentation.show(
        call,
        lambda: {**_document(process), "health": health},
        lambda: f"The daemon runs as process {process.pid} since {seconds} s and listens at {process.socket}: {reasons}.{warnings}",
    )
    return exit_codes.DONE if health.get("ready") else exit_codes.ERROR


def stop(call: Call) -> int:
    """End the daemon; VMs run on."""
    process = daemon_process.stop(call.folder)
    if process is None:
        call.note("No daemon runs for this data folder.")
    else:
        call.note(f"The daemon, process {process.pid}, has ended. VMs run on.")
    return exit_codes.DONE


def logs(
    call: Call,
    lines: Annotated[int, flags.option("--lines", "-n", variable="", metavar="N", min=0, help="How many lines; 100.")] = 100,
) -> int:
    """Show what a detached daemon wrote last."""
    found = daemon_process.last_lines(call.folder, lines)
    presentation.show(call, lambda: {"format_version": "1.0", "lines": found}, lambda: "\n".join(found))
    return exit_codes.DONE


def install(
    call: Call,
    units: Annotated[
        Path | None, flags.option("--units", variable="", metavar="DIR", help="Folder of the units; /etc/systemd/system by default.")
    ] = None,
) -> int:
    """Write the units of systemd for the daemon, its socket, and for starting VMs at boot."""
    written = daemon_process.install(call.folder, units, call.environment)
    text = "\n".join(f"Wrote {path}." for path in written)
    hint = (
        "Start it with `systemctl daemon-reload && systemctl enable --now herocloud herocloud-boot`;"
        " `herocloud.socket` instead of `herocloud` starts it for its first caller."
    )
    presentation.show(call, lambda: {"format_version": "1.0", "units": [os.fspath(path) for path in written]}, lambda: f"{text}\n{hint}")
    return exit_codes.DONE


def _document(process: daemon_process.Process) -> dict[str, object]:
    return {"format_version": "1.0", "running": True, **process._asdict()}
