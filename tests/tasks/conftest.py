"""A small graph with signal, ready for a task, and a quiet trainer."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import pytorch_lightning as pl
from torch_geometric.data import Data

from graphml.data import NodeDataModule
from graphml.data.samples import contextual_sbm
from graphml.models import PolynomialEncoder, WaveletEncoder
from graphml.tasks.objectives import BGRL, CCASSG, DGI, GraphMAE, InfoNCE, PolyGCL

SMALL = partial(WaveletEncoder, hidden_channels=8, K=4)
# One of every objective, with the encoder that it takes.
PAIRS = {
    "info_nce": (SMALL, partial(InfoNCE, projection=6, scale_jitter=0.1, weight_noise=0.1)),
    "bgrl": (SMALL, partial(BGRL, hidden_channels=6, momentum=0.9)),
    "cca_ssg": (SMALL, partial(CCASSG, trade_off=0.01)),
    "dgi": (SMALL, DGI),
    "graph_mae": (SMALL, GraphMAE),
    "poly_gcl": (partial(PolynomialEncoder, hidden_channels=8, K=4), PolyGCL),
}


@pytest.fixture
def make_module() -> Callable[..., NodeDataModule]:
    """Datamodule of a contextual block model: 120 nodes, 8 features, 3 classes."""

    def make(**options: Any) -> NodeDataModule:
        graph = contextual_sbm(num_nodes=120, num_classes=3, num_features=8, average_degree=6, feature_signal=2, seed=0)
        return NodeDataModule.from_data(graph, num_splits=2, **options)

    return make


@pytest.fixture
def batch(make_module) -> Data:
    """The full graph as the datamodule serves it."""
    return make_module().data


@pytest.fixture
def make_trainer(tmp_path) -> Callable[..., pl.Trainer]:
    """Trainer on the CPU that is deterministic and says and writes nothing."""

    def make(**options: Any) -> pl.Trainer:
        quiet = {
            "accelerator": "cpu",
            "deterministic": True,
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "default_root_dir": tmp_path,
        }
        return pl.Trainer(**(quiet | options))

    return make


@pytest.fixture(params=PAIRS)
def pair(request) -> tuple[Callable[[int], Any], Callable[[Any], Any]]:
    """Factories of an encoder and of an objective: the test runs once for each objective."""
    return PAIRS[request.param]


@pytest.fixture
def info_nce_pair() -> tuple[Callable[[int], Any], Callable[[Any], Any]]:
    return PAIRS["info_nce"]
