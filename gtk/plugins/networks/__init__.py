"""Building blocks that the networks of several model families share."""
