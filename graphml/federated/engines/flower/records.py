"""Messages and memories as Flower's records, one to one."""

from typing import Any

import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from torch import Tensor

from graphml.federated.message import Message


def to_records(message: Message) -> dict[str, ArrayRecord | MetricRecord | ConfigRecord]:
    """A message as records ``arrays``, ``metrics`` and ``config``.

    Args:
        message: The message.
    """
    return {
        "arrays": to_array_record(message.arrays),
        "metrics": MetricRecord({**message.metrics}),
        "config": ConfigRecord({**message.config}),
    }


def from_records(content: RecordDict) -> Message:
    """The message that `to_records` was given, bit by bit.

    Args:
        content: Records; others than the three are ignored.
    """
    metrics: dict[str, Any] = dict(content.metric_records["metrics"].items())
    config: dict[str, Any] = dict(content.config_records["config"].items())
    return Message(from_array_record(content.array_records["arrays"]), metrics, config)


def engine_record(content: RecordDict) -> dict[str, Any]:
    """What the two ends of the engine tell each other beside a message.

    Args:
        content: Records with a ConfigRecord ``engine``.
    """
    return dict(content.config_records["engine"].items())


def to_array_record(arrays: dict[str, Tensor]) -> ArrayRecord:
    """Tensors as Flower's arrays, in NumPy's format.

    NumPy has no bfloat16: such a tensor is sent as the int16 of the same bits, under its own name.

    Args:
        arrays: Dense tensors by name.
    """
    return ArrayRecord({name: _to_array(value.detach().cpu()) for name, value in arrays.items()})


def from_array_record(record: ArrayRecord) -> dict[str, Tensor]:
    """The tensors that `to_array_record` was given.

    Args:
        record: Flower's arrays by name.
    """
    return {name: _from_array(array) for name, array in record.items()}


def _to_array(value: Tensor) -> Array:
    if value.dtype != torch.bfloat16:
        return Array(value.numpy())
    bits = Array(value.view(torch.int16).numpy())
    return Array(dtype="bfloat16", shape=bits.shape, stype=bits.stype, data=bits.data)


def _from_array(array: Array) -> Tensor:
    value = torch.from_numpy(array.numpy())
    return value.view(torch.bfloat16) if array.dtype == "bfloat16" else value
