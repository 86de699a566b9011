"""Makes the tiny models of tests/models again, from nothing but synthesised speech."""
