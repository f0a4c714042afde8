"""The search space: which keys of a configuration are searched, and over which values."""

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graphml.federated.tuning.extra import import_optuna

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Choice = str | int | float | bool | None
"""A value that a key can be given."""

RANGE_KEYS = {"low", "high", "log", "step"}


def distributions(space: Mapping[str, Any]) -> "dict[str, BaseDistribution]":
    """Optuna's distributions of a space as a YAML file writes it.

    Args:
        space: By dotted key of the configuration a list of values, or a range ``{low, high}``, both ends included:
            of integers if both are, else of real numbers; with ``log: true`` uniform in the logarithm, with ``step``
            in steps from ``low``.

    Returns:
        A distribution for each key.

    Raises:
        ValueError: If there is no key, or what is searched there is neither a list of plain values nor a range.
    """
    if not space:
        raise ValueError("space: expected at least one key of the configuration, got none")
    return {key: _distribution(key, values) for key, values in space.items()}


def _distribution(key: str, values: Any) -> "BaseDistribution":
    optuna = import_optuna()
    if isinstance(values, list):
        if not values or not all(isinstance(value, Choice) for value in values):
            raise ValueError(f"space: {key}: expected a list of numbers, texts or null, at least one, got {values!r}")
        listed: BaseDistribution = optuna.distributions.CategoricalDistribution(values)
        return listed
    if not isinstance(values, dict) or not {"low", "high"} <= values.keys() <= RANGE_KEYS:
        raise ValueError(f"space: {key}: expected a list, or a range of low, high and log or step, got {values!r}")
    ends = (values["low"], values["high"])
    if any(isinstance(end, bool) or not isinstance(end, int | float) for end in ends):
        raise ValueError(f"space: {key}: expected numbers for low and high, got {ends[0]!r} and {ends[1]!r}")
    whole = all(isinstance(end, int) for end in [*ends, values.get("step") or 1])
    kind = optuna.distributions.IntDistribution if whole else optuna.distributions.FloatDistribution
    try:
        distribution: BaseDistribution = kind(**{name: value for name, value in values.items() if value is not None})
    except ValueError as error:  # such as a low above the high, or a logarithm of 0
        raise ValueError(f"space: {key}: {error}") from error
    return distribution


def corners(space: Mapping[str, Any]) -> list[dict[str, Choice]]:
    """Points of a space that together have each listed value, and the ends of each range, at least once.

    Args:
        space: The space, such as `distributions` takes.
    """
    values = {key: at if isinstance(at, list) else [at["low"], at["high"]] for key, at in space.items()}
    most = max(map(len, values.values()))
    return [{key: some[place % len(some)] for key, some in values.items()} for place in range(most)]


def laid_over(config: Mapping[str, Any], parameters: Mapping[str, Choice]) -> dict[str, Any]:
    """A configuration with other values at some keys.

    Args:
        config: Full configuration, with all defaults written out.
        parameters: Values by dotted key.

    Returns:
        A copy.

    Raises:
        ValueError: If the configuration has nothing above such a key.
    """
    out = copy.deepcopy(dict(config))
    for key, value in parameters.items():
        *parents, leaf = key.split(".")
        place: Any = out
        for parent in parents:
            place = place.get(parent) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise ValueError(
                f"space: expected keys of the configuration, got {key}, and there is no {'.'.join(parents)}"
            )
        place[leaf] = value
    return out
