"""Arrays -> matplotlib figures that studies alone draw."""
