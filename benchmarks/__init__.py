"""Measurements: `python -m benchmarks` prints the table, the scripts beside it have their own."""
