"""Rows -> codes: the contract of what encodes, the model that is trained, and codes with all that comes beside them."""
