"""Protocols that losses and samplers require of a model, and helpers for models of a family."""
