"""Auto-tuning: searches over the options of a run within a budget of rounds, and FedEx, which learns them on the way.

Searches need Optuna, the extra ``tune``; it is imported when one is made.
"""

from graphml.federated.tuning.fedex import FedEx
from graphml.federated.tuning.fidelity import Rung
from graphml.federated.tuning.search import FailingTrialsError, Searcher
from graphml.federated.tuning.settings import Search
from graphml.federated.tuning.trials import TrialRow

__all__ = ["FailingTrialsError", "FedEx", "Rung", "Search", "Searcher", "TrialRow"]
