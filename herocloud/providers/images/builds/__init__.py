"""Making images out of Debian packages: a tiny guest of a kernel and an initramfs, for tests and first steps.

Called by whoever offers `image build`; nothing of the provider itself needs it.
"""
