"""YAML 1.2 files as plain values with places: the one reader of stack files, host files, scenarios and variable files.

Every layer may call it. libyaml (through PyYAML) delivers events; everything after that is written here, because no loader has limits,
YAML 1.2 values, merge keys, duplicate keys and places at once.
"""

SUMMARIES = {
    "yaml-encoding": "File is not UTF-8 text",
    "yaml-empty": "YAML text is empty",
    "yaml-syntax": "Not valid YAML",
    "yaml-tab": "Tab in the indentation",
    "yaml-documents": "Several documents in one file",
    "yaml-not-a-mapping": "File is not a mapping",
    "yaml-limit": "File is over a limit",
    "yaml-nul": "Text with a NUL character",
    "yaml-alias": "Alias without its anchor",
    "yaml-tag": "Unknown YAML tag",
    "yaml-key": "Key is not a text",
    "yaml-merge": "Merge key without a mapping",
    "duplicate-key": "Key is there twice",
}
"""The constant summary of every finding about a YAML text, by code."""
