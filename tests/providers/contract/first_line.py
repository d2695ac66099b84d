"""The lines of the registry with that of the provider of forty lines, which is there already where its page was followed."""

from herocloud.providers import registry

FIRST = next((line for line in registry.PROVIDERS if line.endswith(".dictionary")), "dictionary")
PATHS = [*registry.PROVIDERS, *([FIRST] if FIRST not in registry.PROVIDERS else [])]
