"""Running plans: the executor with its journal, resume, rollback and undo, staleness, rehearsal and the collecting of orphans.

The only place where effects happen. `operations` calls it; it sees plans, the state and drivers, and never a stack file.
"""
