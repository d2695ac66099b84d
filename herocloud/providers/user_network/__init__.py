"""Networks for users who may make no bridge: each VM has one of its own inside its VMM, with a way out and forwarded ports.

What lives here keeps record of such networks and of the cards on them; whoever starts a VM reads it. The registry calls it.
"""
