"""What the models cannot see: keys that are missing, names that lead nowhere, values that contradict one another, files that are absent.

Every check takes what it looks at and the collector, and skips whatever a mistake found earlier left unknown.
"""
