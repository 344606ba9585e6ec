"""Long work: steps that are done once, progress, time left, signals, and what the work ran on."""
