"""What herocloud knows to have made: records, journal, plans, history and the lock, in one SQLite file of the data folder.

`operations` opens it, `apply` writes to it step by step, and plans read it without ever writing a byte.
"""
