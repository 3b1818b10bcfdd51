"""What the networks of several model families are built of."""
