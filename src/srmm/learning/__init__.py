"""What the classifiers share: inputs, held-out instances, the loop, saving."""
