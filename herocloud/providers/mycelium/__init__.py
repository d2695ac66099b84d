"""The Mycelium overlay: a stable IPv6 address for every VM, known before anything runs, and the daemon that carries it.

`planning` and `arithmetic` are pure and give plans their addresses; `driving` brings about the daemon, its peers and the host side of the
overlay; `observing` looks. Only `providers/registry.py` opens it for the engine.
"""
