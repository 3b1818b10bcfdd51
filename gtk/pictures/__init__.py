"""Arrays in, pictures out. Nothing here imports torch."""
