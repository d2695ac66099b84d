"""The JSON-RPC daemon, beside the command line: methods over `operations/`, their document, and the client made from it.

Its rooms are layers: `daemon`, `supervision`, `methods`, `jobs`, `wire`, and below them `store`, `calls` and `client`, which know no other.
The command line uses `client` and `daemon.daemon_process` of it and nothing else; nothing here knows the command line.
"""
