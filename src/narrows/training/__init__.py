"""Training: all of it happens in ``loop.py``."""
