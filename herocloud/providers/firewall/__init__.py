"""The tables of nftables that providers make: rules as values, what some nft prints of them, and whether both are the same.

No provider, but what those share that guard something with rules. Each has tables of its own and runs its own transactions, with its own
words for what went wrong.
"""
