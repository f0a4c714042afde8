"""Optuna, which is an extra."""

import importlib
from typing import Any

INSTALL = "pip install 'graphml-torch[tune]', or: conda install -c conda-forge optuna"


def import_optuna() -> Any:
    """Import Optuna, which tells of warnings and errors alone from then on.

    Returns:
        The package.

    Raises:
        ModuleNotFoundError: If it is not installed; the message says how to install it.
    """
    try:
        optuna = importlib.import_module("optuna")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"optuna is not installed, and a search needs it. Install it: {INSTALL}") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
