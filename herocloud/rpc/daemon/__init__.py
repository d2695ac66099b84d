"""The daemon as one process of the host: everything put together, started, found again and stopped, and its units of systemd."""
