"""Click commands and rich rendering, nothing else: what they do is done elsewhere."""
