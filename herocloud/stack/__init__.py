"""Stack files: read with limits, validated with places, expanded into the resources that a plan is made of.

`operations` and `plan` call `loading.load`, `expressions` and `exporting`; nothing here looks at the state or at a provider, and the
only effects are reading the files that a stack names and the cache of its result.
"""
