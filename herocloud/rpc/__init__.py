"""The JSON-RPC daemon, beside the command line: methods over `operations/`, their document, and the client made from it.

The command line uses `client` and `daemon_process` of it and nothing else; nothing here knows the command line.
"""
