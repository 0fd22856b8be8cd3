"""Reading a run, while it is recorded or afterwards."""
