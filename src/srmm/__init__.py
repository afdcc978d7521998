"""SRMM: classification from several modalities when some are missing."""

__version__ = "0.1.0"
