"""Everything built in, found through entry points like anybody's plugin."""
