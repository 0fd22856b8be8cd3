"""Stacks that somebody else started: read from Celery's events, steered by remote control, never ended."""
