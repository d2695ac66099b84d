"""One look at the world through every provider in use; `operations/` calls it for plans, drift, orphans and the facts of an apply.

Nothing here decides anything: what the providers see is merged by address and handed on.
"""
