"""Every family of models with the same time to train, on every data set: docs/quality.md."""
