"""The record of a run: `run.db`, its one writer and its readers (`FORMAT.md`)."""
