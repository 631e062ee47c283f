"""Dispatch: distress reports in, draft rescue instructions out, and a person decides."""

__version__ = "0.1.0"
