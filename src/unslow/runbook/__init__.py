"""The latency runbook, carried out: one step per file, in the order of `STEPS`.

A step reads what the evidence has, asks the little that is missing, and says what a person would have typed. What
changes anything is proposed with its undo, and done only when it was allowed by name.
"""

from __future__ import annotations

STEPS = (
    "services",
    "pods",
    "latency",
    "connectivity",
    "utilisation",
    "slow_queries",
    "tracing",
    "capture",
    "dependencies",
    "history",
    "prevention",
)
"""Modules of this package; each is a step, and the place in this list is its number."""

CHANGING = ("connectivity", "tracing", "capture", "loadtest")
"""What `--allow` takes: each adds or patches something."""
