"""Running plans: the executor with its journal, resume, rollback, staleness and rehearsal.

The only place where effects happen. `operations` calls it; it sees plans, the state and drivers, and never a stack file.
"""
