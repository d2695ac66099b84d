"""Where the files and sockets of a VM on Cloud Hypervisor are; apart from what is made of them, so that a look loads little."""

from pathlib import Path

from herocloud.providers.vmm import folders

API, SERIAL, EVENTS, LOG = "api.sock", "tty.sock", "events", "vmm.log"


def api_socket(data: Path, sid: str) -> Path:
    """Return the socket of the API."""
    return folders.control_socket(data, sid, API)


def serial_socket(data: Path, sid: str) -> Path:
    """Return the socket of the serial port, which the attendant alone uses."""
    return folders.control_socket(data, sid, SERIAL)


def event_file(data: Path, sid: str) -> Path:
    """Return the file in which the program writes down what happens."""
    return folders.machine_folder(data, sid) / EVENTS


def log_file(data: Path, sid: str) -> Path:
    """Return the program's own log."""
    return folders.machine_folder(data, sid) / LOG
