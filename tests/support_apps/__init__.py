"""Celery apps that the tests of the engine run in real workers."""
