"""The run of kind ``audit``: a federation, and attacks on what it exposes."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graphml.study.federate import measure_federate, resolve_federate
from graphml.study.results import Measurement


def resolve_audit(configs: Sequence[dict[str, Any]], options: Sequence[str]) -> dict[str, Any]:
    """Return the full configuration of a federation and of the attacks on it.

    Args:
        configs: Configurations, each laid over those before it: a federation's, and ``attacks``, a list of classes with
            options that replaces an earlier one.
        options: Command line options of the federation, laid over them all.

    Returns:
        The configuration with all defaults written out.

    Raises:
        ValueError: If a key or an option is wrong.
    """
    from graphml.federated.audit.setup import resolve_attacks

    given = [config["attacks"] for config in configs if "attacks" in config]
    layers = [{key: value for key, value in config.items() if key != "attacks"} for config in configs]
    return resolve_federate(layers, options) | {"attacks": resolve_attacks(given[-1] if given else [])}


def measure_audit(
    config: dict[str, Any], options: Sequence[str], seed: int, folder: Path, figures: bool
) -> list[Measurement]:
    """Run a federation once, and attack it.

    Args:
        config: Full configuration.
        options: Command line options that belong to this machine.
        seed: Seed of split, initial weights, training, drawn clients and attacks.
        folder: Where rounds, weights and figures go.
        figures: Whether to draw figures.

    Returns:
        What the federation measured, and the figures of each attack under its name.
    """
    import torch

    from graphml.federated.audit.exposure import Exposure
    from graphml.federated.audit.setup import make_attacks
    from graphml.federated.setup import build
    from graphml.federated.simulation import one_thread

    federation = {key: value for key, value in config.items() if key != "attacks"}
    measured = measure_federate(federation, options, seed, folder, figures)
    attacks = make_attacks(config["attacks"])
    if not attacks:
        return measured
    setup = build(federation, [*options, f"--seed={seed}"])
    exposure = Exposure(setup, torch.load(folder / "weights.pt", weights_only=True))
    with one_thread():
        found = [leakage for attack in attacks for leakage in attack(exposure)]
    figures_of = [(leakage.attack, name, value) for leakage in found for name, value in leakage.metrics.items()]
    return measured + [Measurement(a, name, float(f"{v:.7g}")) for a, name, v in figures_of if math.isfinite(v)]
