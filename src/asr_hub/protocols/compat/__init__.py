"""The shells of foreign dialects: clients that were written for another server, unchanged."""
