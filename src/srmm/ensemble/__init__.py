"""The default classifier: five single branches, a fused stream, and learnt trust in all."""
