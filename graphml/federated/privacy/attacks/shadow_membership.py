"""Membership inference by shadow models: an attack that is learnt on a model of one's own."""

import copy
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch_geometric.data import Data

from graphml.federated.client import LocalTraining
from graphml.federated.privacy.attacks.leakage import Leakage, decision_metrics
from graphml.federated.privacy.attacks.membership import check_members, losses
from graphml.federated.privacy.attacks.query import posteriors
from graphml.federated.privacy.attacks.updates import local_update
from graphml.federated.seeds import derived_seed
from graphml.federated.weights import Weights
from graphml.tasks import NodeClassificationTask


class ShadowMembership:
    """Learns on shadow models what members' answers look like (Shokri et al., S&P 2017, arXiv 1610.05820).

    For graphs as in Olatunji et al. (TPS-ISA 2021, arXiv 2101.06570): each shadow model is a network of the target's
    kind, trained on half of the nodes of the adversary's own graph; the answers to all its nodes are the examples that
    a classifier learns from. It sees the sorted probabilities and the label's loss, all through a logistic
    regression, in place of one perceptron a class.

    Adversary: another client, or anyone with a graph of the same kind, who knows the model's architecture, its initial
    weights and how it was trained, and queries the trained model with nodes whose labels it knows.

    Args:
        task: The target's task; it is not changed.
        initial: Weights that training starts from.
        local: How a shadow model is trained: as many epochs as the target had.
        num_shadows: Number of shadow models, at least 1.
        seed: Seed of the halves and of the training.

    Raises:
        ValueError: If there is no shadow model.
    """

    def __init__(
        self,
        task: NodeClassificationTask,
        initial: Weights,
        local: LocalTraining,
        num_shadows: int = 1,
        seed: int = 0,
    ) -> None:
        if num_shadows < 1:
            raise ValueError(f"num_shadows: expected at least 1, got {num_shadows}")
        self.task, self.initial, self.local, self.seed = task, initial, local, seed
        self.num_shadows = num_shadows

    def fit(self, shadow: Data) -> Callable[[Tensor, Tensor], NDArray[np.float64]]:
        """Train the shadow models, and a classifier on their answers.

        Args:
            shadow: The adversary's graph, with labels of all nodes; its masks do not matter.

        Returns:
            From probabilities [n, C] and labels [n] to the probabilities of membership [n].
        """
        rows, truths = zip(*(self._examples(shadow, number) for number in range(self.num_shadows)), strict=True)
        model: Pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        model.fit(np.concatenate(rows), np.concatenate(truths))
        return lambda answers, y: model.predict_proba(attack_features(answers, y))[:, 1]

    def _examples(self, shadow: Data, number: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        generator = torch.Generator().manual_seed(derived_seed(self.seed, number))
        half = torch.randperm(shadow.num_nodes, generator=generator)[: shadow.num_nodes // 2]
        own = copy.copy(shadow)
        own.train_mask = torch.zeros(shadow.num_nodes, dtype=torch.bool).index_fill(0, half, True)
        update = local_update(self.task, self.initial, own, self.local, derived_seed(self.seed, number, 1))
        trained = self.initial | {name: self.initial[name] + change for name, change in update.items()}
        return attack_features(posteriors(self.task, trained, own), own.y), own.train_mask.numpy()

    def __call__(self, answers: Tensor, y: Tensor, members: Tensor, others: Tensor, shadow: Data) -> Leakage:
        """Attack a model.

        Args:
            answers: The target model's answers, probabilities [n, C].
            y: Labels [n].
            members: Training nodes of the client, bool [n].
            others: Nodes of the same graph that it was not trained on, bool [n].
            shadow: The adversary's graph.

        Returns:
            `decision_metrics` of the probability of membership.

        Raises:
            ValueError: If a node is both, or there are no nodes of one kind.
        """
        check_members(members, others)
        chosen = torch.cat([members.nonzero(), others.nonzero()]).squeeze(1)
        scores = self.fit(shadow)(answers[chosen], y[chosen])
        return Leakage("membership_shadow", decision_metrics(scores, members[chosen].numpy()))


def attack_features(answers: Tensor, y: Tensor) -> NDArray[np.float64]:
    """What the classifier sees of a model's answers.

    Args:
        answers: Probabilities [n, C].
        y: Labels [n].

    Returns:
        The probabilities in descending order and the loss of the label [n, C + 1].
    """
    ordered = answers.double().sort(dim=1, descending=True).values
    both: NDArray[np.float64] = torch.cat([ordered, losses(answers, y)[:, None]], dim=1).numpy()
    return both
