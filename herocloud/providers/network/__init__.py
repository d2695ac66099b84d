"""Real networks on this host: bridges, taps, addresses, firewall rules, shaping, each with our mark on it.

Only `providers/registry.py` opens it for the engine: `driving` performs the steps of the role `network`, `observing` looks. It needs
CAP_NET_ADMIN and the program `nft`, and works in whatever network namespace its process is in.
"""
