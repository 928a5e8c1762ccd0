"""What a network is, what it costs, and its ONNX form."""
