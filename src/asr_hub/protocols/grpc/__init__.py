"""gRPC: the native protocol in protobuf. Only `server` is for others to import, and only where gRPC is configured."""
