"""Which views belong together, and what an objective makes of it."""
