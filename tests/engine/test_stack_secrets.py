"""What a run folder keeps of a stack file."""

from __future__ import annotations

import tomllib

from desktop.engine.stack.parse import parse_stack
from desktop.engine.stack.secrets import LEFT_OUT, without_secrets

TEXT = """# A shop.
name = "shop"  # of ours

[app]
target = "shop.celery"
env = { DATABASE_URL = "postgres://shop:hunter2@db/shop", DEBUG = "1" }

[celery]
result_backend_transport_options = { master_name = "m", sentinel_kwargs = { password = "hunter2" } }
elasticsearch_urls = ["https://one:hunter2@host/a", "https://plain/b"]
security_key_password = "hunter2"
task_acks_late = true

[[worker]]
name = "w1"
"""


def test_what_may_be_a_secret_is_left_out_and_the_rest_stays() -> None:
    clean = without_secrets(TEXT)
    assert "hunter2" not in clean
    data = tomllib.loads(clean)
    assert data["app"]["env"] == {"DATABASE_URL": LEFT_OUT, "DEBUG": LEFT_OUT}
    assert data["celery"]["elasticsearch_urls"] == ["https://one:…@host/a", "https://plain/b"]
    assert data["celery"]["result_backend_transport_options"]["master_name"] == "m"
    assert data["celery"]["task_acks_late"] is True
    assert clean.startswith("# A shop.\n")
    assert '"shop"  # of ours' in clean


def test_env_as_a_table_of_its_own() -> None:
    clean = without_secrets('name = "a"\n\n[app.env]\nKEY = "hunter2"\n\n[[worker]]\nname = "w1"\n')
    assert tomllib.loads(clean)["app"]["env"] == {"KEY": LEFT_OUT}


def test_a_file_without_secrets_is_the_same_to_the_letter_and_what_is_left_can_be_read() -> None:
    plain = 'name = "a"\n\n[celery]\ntask_acks_late = true  # yes\n\n[[worker]]\nname = "w1"\n'
    assert without_secrets(plain) == plain
    cleaned = without_secrets(plain + '\n[app]\nenv = { A = "hunter2" }\n')
    assert dict(parse_stack(cleaned).app.env) == {"A": LEFT_OUT}
