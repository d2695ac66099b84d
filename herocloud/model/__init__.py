"""The vocabulary that every other layer speaks: resources, changes, steps, plans, outcomes, diagnostics, errors.

Plain immutable data without I/O; any layer above may import it, and it imports only `kits`.
"""
