"""Self-contained HTML reports: contexts made of plans, results and records, and the templates at the repository's root.

`html` is the entrance for the command line and the daemon; nothing in here reads state or calls a provider.
"""
