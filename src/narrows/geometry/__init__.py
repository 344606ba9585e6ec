"""Codes as points: their neighbours, axes, duplicates, and where new ones stand; all in bounded memory."""
