"""A small real shop with faults to switch on: nginx, two Flask services, PostgreSQL, Redis, and its visitors."""
