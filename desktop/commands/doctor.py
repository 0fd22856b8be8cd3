"""`doctor`: what this machine has and lacks."""

from __future__ import annotations

import dataclasses
import json

import click

from desktop.engine.doctor import examine


def run_doctor(as_json: bool) -> int:
    """Exit code 0 when all is fine, else 1."""
    findings = examine()
    fine = all(finding.fine for finding in findings)
    if as_json:
        click.echo(
            json.dumps({"fine": fine, "findings": [dataclasses.asdict(f) for f in findings]}, indent=2)
        )
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            click.echo(f"{'ok  ' if finding.fine else 'LACK'}  {finding.name:<{width}}  {finding.what}")
            if not finding.fine and finding.mend:
                click.echo(f"      {'':<{width}}  mend: {finding.mend}")
    return 0 if fine else 1
