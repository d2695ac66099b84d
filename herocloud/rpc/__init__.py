"""The layer of the JSON-RPC daemon, beside the command line: both may call `operations/`, and neither may call the other.

Nothing lives here yet; the layer is named so that import-linter holds the rule from the first line on.
"""
