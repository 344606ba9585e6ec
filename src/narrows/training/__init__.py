"""Everything that trains, trains in ``loop.py``."""
