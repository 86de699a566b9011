"""The messages and stubs of protos/, as protoc writes them: `python tools/make_protos.py`."""
