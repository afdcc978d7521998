"""From a fitted model and test data to numbers."""
