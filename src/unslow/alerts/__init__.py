"""Alert rules on latency: what is wrong with one, the corrected one with its tests, and both played on history."""
