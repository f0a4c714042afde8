"""What a run has spent."""

import pytest

from graphml.federated import FedAvg, FedGCN, Uplink, UplinkStage
from graphml.federated.privacy.accountant import rdp_epsilon
from graphml.federated.privacy.central_dp import CentralDP
from graphml.federated.privacy.graph_dp_sgd import GraphDPSGD
from graphml.federated.privacy.local_dp import LocalDP
from graphml.federated.privacy.node_dp_sgd import NodeDPSGD
from graphml.federated.privacy.poisson import PoissonUplink
from graphml.federated.privacy.stage import spent

pytest.importorskip("opacus")


def test_nothing_without_a_private_stage():
    assert spent(FedAvg(), 10) == {}
    assert spent(Uplink(FedAvg(), [UplinkStage()]), 10) == {}
    assert spent(Uplink(FedAvg(), [LocalDP(1.0, 0.0)]), 10) == {}  # no noise


def test_sampling_counts_where_clients_are_drawn_independently():
    stage = CentralDP(1.0, 2.0, 10, delta=1e-3)
    assert spent(PoissonUplink(FedAvg(0.1), [stage]), 20) == {"epsilon_client": rdp_epsilon(2.0, 0.1, 20, 1e-3)}
    assert spent(Uplink(FedAvg(0.1), [stage]), 20) == {"epsilon_client": rdp_epsilon(2.0, 1.0, 20, 1e-3)}


def test_units_are_named_and_the_better_of_two_stages_counts():
    local, central = LocalDP(1.0, 4.0), CentralDP(1.0, 4.0, 10)
    assert spent(Uplink(FedAvg(), [local, central]), 5) == {"epsilon_client": central.epsilon(5, 1.0, 1e-5)}
    graph, node = GraphDPSGD(1.0, 1.0, 0.1, 10), NodeDPSGD(1.0, 1.0, steps=3)
    assert spent(Uplink(FedAvg(), [graph]), 5) == {"epsilon_graph": rdp_epsilon(1.0, 0.1, 50, 1e-5)}
    assert spent(Uplink(FedAvg(), [node]), 5) == {"epsilon_node": rdp_epsilon(1.0, 1.0, 15, 1e-5)}


def test_an_algorithm_that_exchanges_data_first_has_no_epsilon():
    assert spent(Uplink(FedGCN(1), [LocalDP(1.0, 4.0)]), 5) == {}
