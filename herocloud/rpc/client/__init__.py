"""The client of the daemon, for programs: `Client` blocks, `AsyncClient` does not; both have one typed method for each of the daemon's.

`schema_types`, `error_types`, `sync_methods` and `async_methods` are generated from `openrpc.json` by `scripts/openrpc`. Nothing but the
standard library is imported, so that the command line may use it.
"""

from herocloud.rpc.client.asynchronous import AsyncClient
from herocloud.rpc.client.blocking import Client
from herocloud.rpc.client.call_errors import CallError, ConnectionLost, JobCancelled, JobFailed, NoAnswer, NoDaemon, NotLetIn

__all__ = ["AsyncClient", "CallError", "Client", "ConnectionLost", "JobCancelled", "JobFailed", "NoAnswer", "NoDaemon", "NotLetIn"]
