"""The pydantic models of a stack file: every key, its type and its sentence of documentation.

They gate and normalise one file as written; defaults, presets and references are the concern of the modules around this folder. No
field is required for pydantic: a key that has to be there is marked with `needed`, and `checks.presence` looks for it, so that
one missing key does not hide the other mistakes in the same mapping.
"""
