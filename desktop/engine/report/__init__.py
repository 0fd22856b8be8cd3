"""Reports of runs: one self-contained page, and the same as Markdown, JSON and JUnit XML.

`gather` reads a run folder into a `Report`; the writers turn one or several of them into a text each. What a
report says is worked out in `gather` and what it calls; the writers only lay it out.
"""
