"""Drills: a workload, faults and expectations, read from a file, run and judged."""
