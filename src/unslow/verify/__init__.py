"""Open-loop load on a target, and what came of it."""
