"""Rows -> codes: the contract of encoders, the model that is trained, and what is computed beside codes."""
