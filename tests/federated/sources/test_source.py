"""Which data can be dealt."""

import pytest
import pytorch_lightning as pl
import torch

from graphml.federated import PROTOCOLS, Partition
from graphml.federated.sources import source_of
from graphml.federated.sources.dialogues import DialogueSource
from graphml.federated.sources.graphs import GraphSource
from graphml.federated.sources.links import LinkSource


def test_other_data_are_refused():
    with pytest.raises(TypeError, match="expected a data module whose data can be dealt to clients, got Lightning"):
        source_of(pl.LightningDataModule())


@pytest.mark.parametrize("kind", [DialogueSource, GraphSource, LinkSource])
def test_protocols_are_of_nodes(kind):
    source, partition = object.__new__(kind), Partition([torch.arange(2)], 2)
    source.deal(partition, None, 0)
    assert source.partition is partition
    with pytest.raises(ValueError, match=rf"protocol: expected none for {kind.kind}, .* got 'fs-g'"):
        source.deal(partition, PROTOCOLS["fs-g"], 0)
