"""What lies in the broker: looked at, read, purged, restored. Redis and Valkey, as kombu keeps it there."""
