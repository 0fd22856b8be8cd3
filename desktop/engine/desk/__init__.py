"""The engine behind the interface: `LocalDesk` does what `api.Desk` promises, on this machine."""

from desktop.engine.desk.local import LocalDesk as LocalDesk
