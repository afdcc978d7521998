"""Evaluation: a fitted model and test data → numbers."""
