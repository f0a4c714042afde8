"""Which data can be dealt."""

import pytest
import pytorch_lightning as pl

from graphml.federated import PROTOCOLS
from graphml.federated.sources import source_of
from graphml.federated.sources.source import refuse_protocol


def test_other_data_are_refused():
    with pytest.raises(TypeError, match="expected a data module whose data can be dealt to clients, got Lightning"):
        source_of(pl.LightningDataModule())


def test_protocols_are_of_nodes():
    refuse_protocol(None, "graphs")
    with pytest.raises(ValueError, match=r"protocol: expected none for graphs, .* got 'fs-g'"):
        refuse_protocol(PROTOCOLS["fs-g"], "graphs")
