"""What the screen, the command line and the tests know of the engine.

One interface, `Desk`: verbs that return futures, and frozen snapshots; and `Record`, what can be read of a
run. The window draws snapshots and calls verbs; it imports nothing else of the engine. A fake `Desk` drives
the window's own tests.

Units, everywhere: times are seconds since the epoch (float), durations are seconds,
memory is bytes, CPU is percent of one core (two busy cores are 200).
"""

from __future__ import annotations

from desktop.engine.api.desk import Desk as Desk
from desktop.engine.api.drills import Account as Account
from desktop.engine.api.drills import Check as Check
from desktop.engine.api.drills import DrillInfo as DrillInfo
from desktop.engine.api.drills import DrillSnapshot as DrillSnapshot
from desktop.engine.api.drills import DrillSpec as DrillSpec
from desktop.engine.api.drills import Expect as Expect
from desktop.engine.api.drills import Finding as Finding
from desktop.engine.api.drills import PlannedFault as PlannedFault
from desktop.engine.api.drills import Recovery as Recovery
from desktop.engine.api.drills import Stage as Stage
from desktop.engine.api.drills import Verdict as Verdict
from desktop.engine.api.errors import DeskError as DeskError
from desktop.engine.api.faults import Count as Count
from desktop.engine.api.faults import FaultInfo as FaultInfo
from desktop.engine.api.faults import FaultKind as FaultKind
from desktop.engine.api.faults import FaultOption as FaultOption
from desktop.engine.api.faults import FaultRecord as FaultRecord
from desktop.engine.api.faults import FaultSpec as FaultSpec
from desktop.engine.api.faults import FaultState as FaultState
from desktop.engine.api.faults import Forecast as Forecast
from desktop.engine.api.faults import Outcome as Outcome
from desktop.engine.api.faults import Pick as Pick
from desktop.engine.api.faults import Rule as Rule
from desktop.engine.api.faults import Target as Target
from desktop.engine.api.loads import LoadSnapshot as LoadSnapshot
from desktop.engine.api.loads import LoadState as LoadState
from desktop.engine.api.loads import Param as Param
from desktop.engine.api.loads import TaskInfo as TaskInfo
from desktop.engine.api.loads import TaskShare as TaskShare
from desktop.engine.api.loads import Workload as Workload
from desktop.engine.api.queues import Balance as Balance
from desktop.engine.api.queues import Held as Held
from desktop.engine.api.queues import Message as Message
from desktop.engine.api.queues import MessagePage as MessagePage
from desktop.engine.api.queues import PurgeOffer as PurgeOffer
from desktop.engine.api.queues import QueueSnapshot as QueueSnapshot
from desktop.engine.api.record import Band as Band
from desktop.engine.api.record import Cap as Cap
from desktop.engine.api.record import PrunePlan as PrunePlan
from desktop.engine.api.record import Record as Record
from desktop.engine.api.record import RunInfo as RunInfo
from desktop.engine.api.record import Underway as Underway
from desktop.engine.api.services import BrokerSnapshot as BrokerSnapshot
from desktop.engine.api.services import Kind as Kind
from desktop.engine.api.services import Light as Light
from desktop.engine.api.services import PoolProcess as PoolProcess
from desktop.engine.api.services import RunningTask as RunningTask
from desktop.engine.api.services import ServiceEvent as ServiceEvent
from desktop.engine.api.services import ServiceSnapshot as ServiceSnapshot
from desktop.engine.api.services import StackState as StackState
from desktop.engine.api.services import State as State
from desktop.engine.api.services import StopHow as StopHow
from desktop.engine.api.services import WorkerSnapshot as WorkerSnapshot
from desktop.engine.api.stack import Leftover as Leftover
from desktop.engine.api.stack import LogLine as LogLine
from desktop.engine.api.stack import Mark as Mark
from desktop.engine.api.stack import MarkKind as MarkKind
from desktop.engine.api.stack import Series as Series
from desktop.engine.api.stack import SignalOffer as SignalOffer
from desktop.engine.api.stack import StackSnapshot as StackSnapshot
from desktop.engine.api.stack import Totals as Totals
from desktop.engine.api.tasks import AttemptRow as AttemptRow
from desktop.engine.api.tasks import Delivery as Delivery
from desktop.engine.api.tasks import Facets as Facets
from desktop.engine.api.tasks import Relative as Relative
from desktop.engine.api.tasks import Spread as Spread
from desktop.engine.api.tasks import TaskColumn as TaskColumn
from desktop.engine.api.tasks import TaskDetail as TaskDetail
from desktop.engine.api.tasks import TaskFilter as TaskFilter
from desktop.engine.api.tasks import TaskGroup as TaskGroup
from desktop.engine.api.tasks import TaskPage as TaskPage
from desktop.engine.api.tasks import TaskQuery as TaskQuery
from desktop.engine.api.tasks import TaskRow as TaskRow
from desktop.engine.api.tasks import TaskState as TaskState
from desktop.engine.api.tasks import TextIn as TextIn
