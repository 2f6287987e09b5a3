"""unslow finds why a service is slow and accounts for every millisecond."""

__version__ = "0.1.0"
