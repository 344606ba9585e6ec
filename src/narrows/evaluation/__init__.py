"""Evaluation: how good are reconstructions, clusters, codes and maps? One file per question, arrays in, numbers out."""
