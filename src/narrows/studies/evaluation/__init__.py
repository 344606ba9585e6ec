"""Arrays -> numbers that only studies report: how well classes are recognised, and how good new samples are."""
