"""The same job in several processes, or on a cluster."""
