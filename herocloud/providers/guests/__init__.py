"""What goes on inside of a guest, as seen from its host: its agent, its serial console, and the log of what it said there.

Nothing here knows which hypervisor runs the guest: it takes the paths of sockets and files. Operations call it.
"""
