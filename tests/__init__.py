"""The tests, and their helpers as ordinary modules: `from tests.plan import building`. Folders below follow the product's."""
