"""A host that exists only for tests, written without a look at the planner: machines, disks, networks and a clock of its own.

The real executor drives it through the seam of providers. It notes what really happens to its machines and disks, at which moment of its
own clock, and knows nothing of plans. `promises` then compares what a plan said with what happened.
"""
