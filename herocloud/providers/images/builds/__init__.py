"""Making images out of Debian packages: a tiny guest of a kernel and an initramfs, for tests and first steps.

It is called for `image build`; nothing of the provider itself needs it.
"""
