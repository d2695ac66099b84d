"""VMs as Cloud Hypervisor processes: one process per VM, driven over its REST API on a unix socket.

The registry is the only caller from outside; `planning` is pure and is what the planner reads.
"""
