"""Makes pictures and pages of arrays, without torch."""
