"""A model, built and used: weights, samples, blends, summaries."""
