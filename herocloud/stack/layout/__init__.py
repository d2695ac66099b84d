"""The canonical layout of stack files, which `herocloud fmt` writes and `herocloud export` begins with.

Only `operations` and `stack.export` call it. ruamel.yaml is loaded here and nowhere else, because it keeps comments.
"""
