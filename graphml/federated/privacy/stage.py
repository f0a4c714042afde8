"""Stages that make a federation differentially private, and what a run of them has spent."""

import abc
import math
from typing import ClassVar

from graphml.federated.privacy.poisson import PoissonUplink
from graphml.federated.strategy import Strategy
from graphml.federated.uplink import Uplink, UplinkStage


class PrivateStage(UplinkStage):
    r"""A stage that guarantees :math:`(\varepsilon, \delta)` differential privacy for what passes through it.

    What is guaranteed is the weights, and all that is made of them. **Not protected** are the numbers of examples, the
    counts of an evaluation (so the choice of the best round by validation, too) and what an algorithm or task exchanges
    before training. Noise comes from a seeded generator and is made of floating numbers: that makes a simulation
    reproducible, and is **not secure in a deployment**, where who knows the seed takes the noise away.

    Args:
        clip: C, largest L2 norm of what is summed, above 0; infinite (no clipping) without noise alone.
        noise_multiplier: Sigma, not negative; what it multiplies is said by the stage.
        delta: The delta for which a run names its epsilon, in (0, 1): far below one over the number of units.

    Raises:
        ValueError: If an argument is out of range.
    """

    protects: ClassVar[str]
    """Unit that one cannot tell to be there or not: ``client``, ``graph`` or ``node``."""

    def __init__(self, clip: float, noise_multiplier: float, delta: float = 1e-5) -> None:
        super().__init__()
        if not 0 <= noise_multiplier < math.inf:
            raise ValueError(f"noise_multiplier: expected a finite number of at least 0, got {noise_multiplier}")
        if not clip > 0 or (clip == math.inf and noise_multiplier > 0):
            raise ValueError(f"clip: expected a norm above 0, finite where there is noise, got {clip}")
        if not 0 < delta < 1:
            raise ValueError(f"delta: expected a probability in (0, 1), got {delta}")
        self.clip, self.noise_multiplier, self.delta = clip, noise_multiplier, delta

    @abc.abstractmethod
    def epsilon(self, rounds: int, sampling: float, delta: float) -> float:
        """What rounds of training cost each unit, an upper bound.

        Args:
            rounds: Number of rounds.
            sampling: Probability that a client takes part in a round, independently of all others; 1 where clients are
                drawn in any other way, which is an upper bound.
            delta: In (0, 1).

        Raises:
            ModuleNotFoundError: If Opacus is not installed.
        """


def spent(strategy: Strategy, rounds: int) -> dict[str, float]:
    """What a run has cost, for reports.

    Args:
        strategy: The algorithm of the run.
        rounds: Rounds of training that were run, and not only those up to the round that was chosen.

    Returns:
        ``epsilon_client``, ``epsilon_graph`` or ``epsilon_node``, for what a stage protects, at the stage's own delta;
        nothing without private stages, or for those without noise. Infinite (that is, left out) also where the
        algorithm exchanges data before training.

    Raises:
        ModuleNotFoundError: If there is a private stage, and Opacus is not installed.
    """
    stages = strategy.stages if isinstance(strategy, Uplink) else []
    sampling = strategy.client_fraction if isinstance(strategy, PoissonUplink) else 1.0
    out: dict[str, float] = {}
    for stage in stages:
        if isinstance(stage, PrivateStage):
            value = math.inf if strategy.preparation else stage.epsilon(rounds, sampling, stage.delta)
            name = f"epsilon_{stage.protects}"
            out[name] = min(value, out.get(name, math.inf))
    return {name: value for name, value in out.items() if math.isfinite(value)}
