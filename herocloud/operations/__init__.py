"""The one place that composes load, host, state, observe, plan, lock and apply for a data folder.

Plain functions with named tuples in and out, called by the command line and by the daemon; nothing in here prints or asks.
"""
