"""The protocols that a loss or a sampler asks of a model."""
