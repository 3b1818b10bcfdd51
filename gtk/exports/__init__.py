"""ONNX: export, proof and a runtime without torch."""
