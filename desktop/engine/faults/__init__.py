"""Faults: what can be broken, whom it hits, how it is done, proved, undone and kept."""
