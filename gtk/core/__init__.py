"""Contracts and the trainer: knows no particular model, no terminal, no picture, no ONNX."""
