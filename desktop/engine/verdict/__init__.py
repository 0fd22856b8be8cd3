"""What became of the tasks, from the ledger alone: account, outcome of a fault, recovery, verdict.

Everything here is asked in threads that may wait. numpy is first imported when a record is read.
"""
