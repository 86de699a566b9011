"""The ways to a hub: one file for each protocol."""
