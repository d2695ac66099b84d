"""Everything that prints: pure functions from model objects to text, dictionaries and event lines.

Commands decide and hand over; nothing in here reads state, calls a provider or looks at the terminal by itself. A text that is
returned has no line feed at its end; the printer adds one.
"""
