"""What a search is told: where to look, how, and for how long."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphml.federated.tuning.extra import import_optuna
from graphml.federated.tuning.fidelity import Rung, rungs_of
from graphml.federated.tuning.space import distributions
from graphml.parser import GraphmlParser, UsageError

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler


@dataclass(frozen=True)
class Search:
    """Settings of a search, as a YAML file writes them.

    Args:
        space: What is searched, see `distributions`.
        sampler: Class path and arguments of Optuna's sampler, which suggests the next configuration: RandomSampler,
            TPESampler ... Its seed is ``seed``.
        pruner: Likewise of its pruner, which ends trials that do worse than others at the same round:
            SuccessiveHalvingPruner, HyperbandPruner ...
        trials: Most trials; None for as many as the budget pays.
        budget: Most rounds (central studies: epochs) of all trials together; None for no bound.
        fidelity: Rungs in which a trial draws fewer clients, see `rungs_of`; federations only.
        monitor: Validation metric that is searched by; None for the one that the run itself chooses its best by.
        seed: Seed of the sampler, and of every trial's run.

    Raises:
        ValueError: If a value is wrong, or nothing bounds the search.
        ModuleNotFoundError: If Optuna is not installed.
    """

    space: dict[str, Any]
    sampler: dict[str, Any] = field(default_factory=lambda: {"class_path": "optuna.samplers.TPESampler"})
    pruner: dict[str, Any] = field(default_factory=lambda: {"class_path": "optuna.pruners.NopPruner"})
    trials: int | None = None
    budget: int | None = None
    fidelity: list[dict[str, float]] = field(default_factory=list)
    monitor: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (("trials", self.trials), ("budget", self.budget)):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"{name}: expected an integer of at least 1, got {value!r}")
        if self.trials is None and self.budget is None:
            raise ValueError("trials and budget: expected at least one of them, or the search would never end")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise ValueError(f"seed: expected an integer of at least 0, got {self.seed!r}")
        if self.monitor is not None and not self.monitor.startswith("val"):
            raise ValueError(
                f"monitor: expected a metric of the validation data, such as val_loss, got {self.monitor!r}"
            )
        rungs_of(self.fidelity)
        distributions(self.space)
        self.make_pruner()
        self.make_sampler(0)

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """The rungs of the fidelity."""
        return rungs_of(self.fidelity)

    def make_pruner(self) -> "BasePruner":
        """Make the pruner."""
        kind = import_optuna().pruners.BasePruner
        pruner: BasePruner = _made("pruner", kind, self.pruner)
        return pruner

    def make_sampler(self, seed: int) -> "BaseSampler":
        """Make a sampler.

        Args:
            seed: Its seed, if it takes one.

        Raises:
            ValueError: If it is given a seed of its own, or walks through an order of its own.
        """
        kind = import_optuna().samplers.BaseSampler
        if str(self.sampler.get("class_path")).endswith("GridSampler"):
            raise ValueError("sampler: expected optuna.samplers.BruteForceSampler for a grid, got GridSampler")
        if "seed" in self.sampler.get("init_args", {}):
            raise ValueError(
                "sampler: expected no seed among the init_args: the seed of the search is that of the sampler"
            )
        sampler: BaseSampler = _made("sampler", kind, self.sampler, seed)
        return sampler


def _made(name: str, kind: Any, described: dict[str, Any], seed: int | None = None) -> Any:
    parser = GraphmlParser(prog="graphml tune")
    parser.add_subclass_arguments(kind, name, required=True)
    try:
        parsed = parser.parse_object({name: described})
        if seed is not None and "seed" in parsed[name].get("init_args", {}):
            parsed[name].init_args.seed = seed
        return parser.instantiate(parsed)[name]
    except (UsageError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from error
