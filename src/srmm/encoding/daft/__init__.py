"""Encoding with Daft: the same job in several processes, or on a cluster."""
