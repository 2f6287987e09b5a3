"""The world -> evidence. The only package that reads the world; one file per source."""
