"""Reading and writing files: whole or not at all, by one process, and exactly as they were saved."""
