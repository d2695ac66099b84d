"""The command line: parses, decides, calls `operations`, and hands what comes back to a view.

Nothing imports this package; `entry.main` is the console script.
"""
