"""Codes as points: neighbours, axes, layouts, and places for new codes, in bounded memory."""
