"""What the daemon does unasked: restarts, boots, chores, snapshots on schedule, jobs of the last daemon; and the metrics."""
