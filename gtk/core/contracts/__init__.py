"""The contracts for plugin authors: Model, Conditioner, Loss, and what they are called with."""
