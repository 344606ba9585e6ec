"""Arrays -> numbers that studies alone report: how well classes are told apart, how good new samples are."""
