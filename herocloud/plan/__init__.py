"""The planner: three frozen inputs (desired, recorded, observed) and the host go in, one frozen plan comes out.

It is synchronous and pure: no I/O, no clock, no randomness, so that the same inputs give the same bytes. Called by `operations/` and by
`apply/` for facts; of a provider it may import the `planning` module only.
"""
