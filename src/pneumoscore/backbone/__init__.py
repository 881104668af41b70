"""Networks: records, ONNX Runtime sessions, the input gradient, conversion."""
