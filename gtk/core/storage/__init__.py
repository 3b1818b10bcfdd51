"""What lies on disk: runs, checkpoints, metrics, decoded images."""
