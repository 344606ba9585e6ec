"""What lies on disk: written whole or not at all, claimed by one process, and read as it was saved."""
