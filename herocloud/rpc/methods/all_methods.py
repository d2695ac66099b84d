"""All methods of the daemon, in the order of the document, and the document of them."""

from typing import Any

from herocloud.kits.jsons import Json
from herocloud.rpc.calls.method_table import Method
from herocloud.rpc.methods import (
    clone_methods,
    document,
    guest_methods,
    history_methods,
    job_methods,
    node_methods,
    own_methods,
    resource_methods,
    service_methods,
    snapshot_methods,
    stack_methods,
    vm_methods,
)


def methods() -> tuple[Method[Any], ...]:
    """Return all methods, in the order of the document."""
    return (
        *node_methods.METHODS,
        *vm_methods.METHODS[:-1],
        *guest_methods.METHODS,
        *snapshot_methods.METHODS,
        *clone_methods.METHODS,
        *vm_methods.METHODS[-1:],
        *stack_methods.METHODS,
        *history_methods.METHODS,
        *resource_methods.METHODS,
        *job_methods.METHODS,
        *own_methods.METHODS,
        *service_methods.METHODS,
    )


def openrpc() -> dict[str, Json]:
    """Return the document of all methods."""
    return document.make(methods())
