"""What every hypervisor with a process per VM needs, whichever program that process runs: folders, identity, launching, ending, marks.

Providers of hypervisors use it, and the client of guest agents for its paths; nothing here knows a program by name.
"""
