"""A thin client of the Kubernetes API: it asks for few fields, and never writes unless it is told to."""

from unslow import quick as quick
