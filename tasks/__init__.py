"""The sample Celery app: small, honest workloads for a stack that has no app of its own."""
