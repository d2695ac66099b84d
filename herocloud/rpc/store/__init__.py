"""What the daemon remembers beside the state, in one file that it keeps open: its jobs, and the log of events with their numbers."""
