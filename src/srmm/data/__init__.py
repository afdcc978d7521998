"""Instances with holes: tables of raw items, embeddings, and how they are kept."""
