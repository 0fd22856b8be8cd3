"""Starts Celery Desk from a checkout: `python main.py` is the `celery-desk` command."""

from desktop.__main__ import main

if __name__ == "__main__":
    main()
