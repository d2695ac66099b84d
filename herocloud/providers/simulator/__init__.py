"""A hypervisor, a network, an image store and an overlay that exist only as state machines in one file.

`driving` performs every kind of step, `observing` looks at the world, `scenarios` makes it misbehave, `world` and `tamper` break it
by hand. Only `providers/registry.py` opens it for the engine; `planning` is the part that `plan/` may import.
"""
