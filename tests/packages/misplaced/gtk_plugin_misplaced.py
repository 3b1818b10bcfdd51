"""Is never found: its entry points are in groups that are not read, or not for what it is."""
