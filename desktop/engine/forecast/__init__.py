"""What a fault will do to the tasks of a moment: rules, written once with their source, and what follows."""

from desktop.engine.forecast.forecast import forecast as forecast
from desktop.engine.forecast.rules import RULES as RULES
from desktop.engine.forecast.situation import Situation as Situation
from desktop.engine.forecast.situation import WorkerSituation as WorkerSituation
from desktop.engine.forecast.situation import situation_of as situation_of
