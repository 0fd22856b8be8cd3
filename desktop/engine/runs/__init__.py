"""Run folders after their run: listed, noted, packed, opened again, deleted by a cap that a person sets."""
