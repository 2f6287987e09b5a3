"""Programs that run inside a pod: they import nothing of ours, have limits of their own, and clean up themselves."""
