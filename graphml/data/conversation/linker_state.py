"""Linkers of events as plain values, so that a checkpoint can hold the one that its model was trained with."""

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from graphml.data.conversation.event_linker import Linker
from graphml.data.conversation.table import Conversations


def fit_linker(linker: Linker, conversations: Conversations) -> Linker:
    """Fit a linker on the training split, or on all utterances where there is none.

    Args:
        linker: The linker; one without ``fit`` is taken as it is.
        conversations: N utterances.

    Returns:
        The fitted linker.
    """
    return linker.fit(conversations) if hasattr(linker, "fit") else linker


def linker_state(linker: Linker) -> dict[str, Any]:
    """Return what rebuilds a linker: the import path of its class and its ``state()``, plain values and tensors.

    Args:
        linker: The linker; of one without ``state``, such as a function, its import path alone, for messages.
    """
    kind = linker if inspect.isroutine(linker) else type(linker)
    state = linker.state() if hasattr(linker, "state") else {}
    return {"class_path": f"{kind.__module__}.{kind.__qualname__}", **state}


def load_linker(state: Mapping[str, Any]) -> Linker:
    """Rebuild a linker.

    Args:
        state: What `linker_state` returned.

    Raises:
        ValueError: If its class cannot be imported, or has no ``from_state``.
    """
    module, _, name = state["class_path"].rpartition(".")
    try:
        linker: Linker = getattr(importlib.import_module(module), name).from_state(state)
    except (ImportError, AttributeError) as error:
        expected = "a class that can be imported and has fit, state and from_state"
        raise ValueError(f"linker: expected {expected}, got {state['class_path']}: {error}") from error
    return linker
