"""Encoding: a table of raw items → embeddings, in a job that goes on where it was killed."""
