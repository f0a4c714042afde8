"""A search: trial after trial, within a budget of rounds, kept in a journal on disk."""

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tqdm import tqdm

from graphml.data import DatasetMissingError
from graphml.federated.seeds import derived_seed
from graphml.federated.tuning.extra import import_optuna
from graphml.federated.tuning.settings import Search
from graphml.federated.tuning.space import Choice, distributions
from graphml.federated.tuning.trials import INTERRUPTED, TrialRow, best_of, row_of
from graphml.io import atomic_write

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import Trial

Report = Callable[[int, float | None], None]
"""Told after each round how many there were, and the validation metric if it was measured; it raises to end a trial."""

Objective = Callable[[dict[str, Choice], int, Report], float]
"""From parameters, the number of the trial and where to report to the trial's value."""

MOST_FAILURES = 10
"""Failures one after the other that end a search: something is wrong that no other configuration mends."""


class FailingTrialsError(RuntimeError):
    """Trial after trial failed; the message says how the last one did."""


class Searcher:
    """Runs a search, or goes on with one.

    The sampler of a trial is a fresh one, seeded by the search's seed and the number of trials before it: what it
    suggests depends on these trials and on nothing else, so that a search that is stopped and goes on tries what it
    would have tried. (But pruners count an interrupted trial among those that the others compete with, and Hyperband
    deals trials to brackets by their numbers, which it shifts.)

    Args:
        settings: What to search.
        name: Name of the search; Hyperband deals trials to its brackets by name and number.
        journal: File of Optuna's journal; the trials that it holds are kept.
        rounds: Rounds of a whole trial.
        minimise: Whether the lowest value is the best.
        progress: Show a progress bar.
        unit: What the bar calls a round.
    """

    def __init__(
        self,
        settings: Search,
        name: str,
        journal: Path,
        rounds: int,
        minimise: bool = False,
        progress: bool = True,
        unit: str = "round",
    ) -> None:
        self.settings, self.rounds, self.minimise = settings, rounds, minimise
        self.progress, self.unit = progress, unit
        self.distributions = distributions(settings.space)
        self.study = _opened(name, journal, settings, minimise)
        self._failures = 0

    @property
    def rows(self) -> list[TrialRow]:
        """The trials so far."""
        return [row_of(trial) for trial in self.study.get_trials(deepcopy=False)]

    @property
    def counted(self) -> list[TrialRow]:
        """Trials but the interrupted ones, which are tried again and whose rounds are not counted twice."""
        return [row for row in self.rows if row.state != INTERRUPTED]

    @property
    def spent(self) -> int:
        """Rounds of the counted trials."""
        return sum(row.rounds for row in self.counted)

    @property
    def best(self) -> TrialRow | None:
        """The best completed trial; None if there is none."""
        return best_of(self.rows, self.minimise)

    def is_done(self) -> bool:
        """Whether there were as many trials, or rounds, as there may be."""
        trials, budget = self.settings.trials, self.settings.budget
        return (trials is not None and len(self.counted) >= trials) or (budget is not None and self.spent >= budget)

    def run(self, objective: Objective) -> None:
        """Try configurations until the search is done.

        Args:
            objective: Measures one.

        Raises:
            DatasetMissingError: If the dataset is not on this machine.
            FailingTrialsError: If trial after trial fails.
        """
        self._close_interrupted()
        budget = self.settings.budget
        total, begun = (budget, self.spent) if budget is not None else (self.settings.trials, len(self.counted))
        unit = "trial" if budget is None else self.unit
        with tqdm(total=total, initial=begun, unit=unit, disable=not self.progress) as bar:
            while not self.is_done():
                self._try(objective, bar)
                if budget is None:
                    bar.update()
                if self.best is not None:
                    bar.set_postfix({"trials": len(self.counted), "best": f"{self.best.value:.4g}"})

    def _close_interrupted(self) -> None:
        """Mark trials as failed that a killed process has left running."""
        states = import_optuna().trial.TrialState
        for trial in self.study.get_trials(deepcopy=False, states=(states.RUNNING,)):
            self.study.tell(trial.number, state=states.FAIL)

    def _try(self, objective: Objective, bar: "tqdm[NoReturn]") -> None:
        """Measure one configuration, and tell the study what came of it."""
        optuna = import_optuna()
        states = optuna.trial.TrialState
        index, left = len(self.counted), None if self.settings.budget is None else self.settings.budget - self.spent
        self.study.sampler = self.settings.make_sampler(derived_seed(self.settings.seed, index) % 2**32)
        trial = self.study.ask(self.distributions)
        account = Account(trial, self.rounds, left, bar)
        try:
            value = objective(trial.params, trial.number, account.report)
            if not math.isfinite(value):
                raise FloatingPointError(f"its value is {value}")
            account.close()
            self.study.tell(trial, value)
        except optuna.TrialPruned as reason:
            account.close(str(reason))
            self.study.tell(trial, state=states.PRUNED)
        except Exception as error:
            if not isinstance(error, DatasetMissingError):
                account.close(f"{type(error).__name__}: {error}")  # without a note it counts as interrupted
            self.study.tell(trial, state=states.FAIL)
            self._failed(trial.number, error, bar)
            return
        except BaseException:  # Ctrl-C
            self.study.tell(trial, state=states.FAIL)
            raise
        self._failures = 0

    def _failed(self, number: int, error: Exception, bar: "tqdm[NoReturn]") -> None:
        if isinstance(error, DatasetMissingError):
            raise error
        reason = str(error).strip().splitlines() or [""]
        bar.write(f"trial {number} failed: {type(error).__name__}: {reason[0]}", file=sys.stderr)
        self._failures += 1
        if self._failures == MOST_FAILURES:
            raise FailingTrialsError(f"{MOST_FAILURES} trials failed one after the other; the last: {error}") from error


class Account:
    """Counts the rounds of a trial, and ends it when others did better or the budget is spent.

    Args:
        trial: Optuna's trial.
        rounds: Rounds of a whole trial.
        left: Rounds that the budget still pays; None for any number.
        bar: Progress bar, of rounds where there is a budget.
    """

    def __init__(self, trial: "Trial", rounds: int, left: int | None, bar: "tqdm[NoReturn]") -> None:
        self.trial, self.rounds, self.left, self.bar = trial, rounds, left, bar
        self.done = 0

    def report(self, done: int, value: float | None) -> None:
        """Take note of a round.

        Args:
            done: Rounds that the trial has trained.
            value: Its value if it had had no more; None where it was not measured.

        Raises:
            optuna.TrialPruned: If it is to end here.
        """
        if self.left is not None:
            self.bar.update(done - self.done)
        self.done = done
        if value is not None:
            self.trial.report(value, done)
            # Asked at the last round as well: the pruner remembers for others what was reached there.
            if self.trial.should_prune() and done < self.rounds:
                raise import_optuna().TrialPruned
        if self.left is not None and self.left <= done < self.rounds:
            raise import_optuna().TrialPruned("the budget was spent")

    def close(self, note: str = "") -> None:
        """Keep what the journal does not know.

        Args:
            note: Why the trial ended before its end.
        """
        self.trial.set_user_attr("rounds", self.done)
        if note:
            self.trial.set_user_attr("note", note)


def _opened(name: str, path: Path, settings: Search, minimise: bool) -> "Study":
    """The study in a journal, which belongs to this process alone: its folder is locked."""
    optuna = import_optuna()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():  # a killed process may have left half a line, and Optuna's own lock
        content = path.read_bytes()
        with atomic_write(path) as temporary:
            temporary.write_bytes(content[: content.rfind(b"\n") + 1])
        path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    study: Study = optuna.create_study(
        study_name=name,
        storage=optuna.storages.JournalStorage(backend),
        pruner=settings.make_pruner(),
        direction="minimize" if minimise else "maximize",
        load_if_exists=True,
    )
    return study
