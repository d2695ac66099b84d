"""The machine and its slices: what is detected, what the operator says in `host.yaml`, and the arithmetic between the two.

`operations` asks `machine`; the planner uses the pure `slicing`.
"""
