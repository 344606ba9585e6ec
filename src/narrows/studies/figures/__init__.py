"""Arrays -> matplotlib figures that only studies draw."""
