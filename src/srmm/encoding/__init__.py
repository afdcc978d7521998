"""From a table of raw items to embeddings, in a job that survives."""
