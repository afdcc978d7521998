"""The networks that several methods share."""
