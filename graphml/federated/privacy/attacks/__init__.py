"""Attacks that measure what a federation on graphs leaks, each with its adversary in its docstring."""

from graphml.federated.privacy.attacks.closed_form import single_node_features, used_features
from graphml.federated.privacy.attacks.dense import DenseForward, DenseGCN, DenseGINGraph, dense_forward
from graphml.federated.privacy.attacks.dlg import deep_leakage
from graphml.federated.privacy.attacks.gradient_inversion import Observation, Reconstruction
from graphml.federated.privacy.attacks.inverting_gradients import Prior, invert_gradient
from graphml.federated.privacy.attacks.labels import infer_label, infer_labels
from graphml.federated.privacy.attacks.leakage import Leakage, decision_metrics
from graphml.federated.privacy.attacks.link_stealing import (
    reference_posteriors,
    steal_links,
    steal_links_knowing_some,
    steal_links_knowing_some_and_features,
    steal_links_with_features,
)
from graphml.federated.privacy.attacks.membership import loss_threshold
from graphml.federated.privacy.attacks.node_pairs import NodePairs, sample_pairs
from graphml.federated.privacy.attacks.property import above_median, class_share, edge_homophily, property_inference
from graphml.federated.privacy.attacks.query import posteriors
from graphml.federated.privacy.attacks.reconstruction import match_nodes, reconstruction_leakage
from graphml.federated.privacy.attacks.shadow_membership import ShadowMembership
from graphml.federated.privacy.attacks.subgraph import connected_nodes, dense_adjacency, small_client
from graphml.federated.privacy.attacks.updates import gradient_of_update, local_update

__all__ = [
    "DenseForward",
    "DenseGCN",
    "DenseGINGraph",
    "Leakage",
    "NodePairs",
    "Observation",
    "Prior",
    "Reconstruction",
    "ShadowMembership",
    "above_median",
    "class_share",
    "connected_nodes",
    "decision_metrics",
    "deep_leakage",
    "dense_adjacency",
    "dense_forward",
    "edge_homophily",
    "gradient_of_update",
    "infer_label",
    "infer_labels",
    "invert_gradient",
    "local_update",
    "loss_threshold",
    "match_nodes",
    "posteriors",
    "property_inference",
    "reconstruction_leakage",
    "reference_posteriors",
    "sample_pairs",
    "single_node_features",
    "small_client",
    "steal_links",
    "steal_links_knowing_some",
    "steal_links_knowing_some_and_features",
    "steal_links_with_features",
    "used_features",
]
