"""Evaluation: how good are reconstructions, clusters, codes and maps? Arrays -> numbers, one file per question."""
