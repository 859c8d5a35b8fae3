"""Waits by group, for `reasons.py`."""
