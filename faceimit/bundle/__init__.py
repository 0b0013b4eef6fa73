"""The exported thing: networks as ONNX graphs with all that is needed to run them, on a machine without torch."""
