"""The spellings that a stack file knows, as regular expressions: one place for the validators, the JSON Schema and the checks."""

NAME = r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"
VARIABLE = r"^[a-z][a-z0-9_]{0,62}$"
KEY = r"^[A-Za-z_][A-Za-z0-9_.-]{0,127}$"
ENVIRONMENT = r"^[A-Za-z_][A-Za-z0-9_]*$"
SID = r"^s[0-9a-z]{1,5}$"
SHA256 = r"^[0-9a-fA-F]{64}$"
SEED = r"^((?!0{12}$)(?![fF]{12}$)[0-9a-fA-F]{12}|(?!A{8}$)(?!/{8}$)[A-Za-z0-9+/]{8})$"
OPENING = r"^([1-9]|[1-9][0-9]{1,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])(/(tcp|udp))?$"
INTERFACE = r"^[A-Za-z0-9._-]{1,15}$"
SIZE = r"^\s*\d+(\.\d+)?\s*(B|KiB|MiB|GiB|TiB|PiB)\s*$"
RATE = r"^\s*\d+(\.\d+)?\s*(bit|kbit|Mbit|Gbit|Tbit|B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)/s\s*$"
ADDRESS = r"^(image|network|volume|vm)\.[a-z][a-z0-9-]*(\[\d+\])?$"
INSTANCE = r"^(vm\.)?[a-z][a-z0-9-]*(\[\d+\])?$"
EXPRESSION = r"\{\{.*\}\}"

LONGEST = 100
"""No size or rate has more characters; the patterns that read them take their time with endless blanks."""
