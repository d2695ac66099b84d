"""Everything that touches the world outside: one package per provider, and the seam they all implement.

`planning` modules are pure and may be imported by `plan/`; `observing` and `driving` have effects. Providers do not know each other.
"""
