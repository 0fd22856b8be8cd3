"""The ledger: what probes and load generators wrote, and the account that is kept of it."""

from desktop.engine.ledger.account import Account, read

__all__ = ["Account", "read"]
