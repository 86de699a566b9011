"""gRPC: the native protocol in protobuf, and what every gRPC server of the hub has. Only where gRPC is configured."""
