"""A tiny model that tells speakers apart, for the real sherpa-onnx: `python -m tools.train_tiny.speaker`."""
