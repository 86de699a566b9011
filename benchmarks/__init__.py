"""Measurements, one question per file. Run one with `python -m benchmarks.<name>`."""
