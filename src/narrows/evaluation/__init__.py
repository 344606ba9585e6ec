"""Evaluation: how good reconstructions, clusters, codes and maps are. Arrays -> numbers, one file per question."""
