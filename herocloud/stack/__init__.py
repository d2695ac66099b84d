"""Stack files: read with limits, validated with places, expanded into the resources that a plan is made of.

`load.load` is the table of contents. `operations` and `plan` call it, `expressions` and `export`; nothing here looks at the state or at a
provider, and the only effect is reading the files that a stack names.
"""
