"""What each command of `desktop/cli.py` does, one module each, imported when the command is given."""
