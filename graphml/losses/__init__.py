"""Objectives on embeddings as plain functions."""

from graphml.losses.bootstrap import bootstrap_loss
from graphml.losses.cca import cca_loss
from graphml.losses.demi import DecomposedInfoNCE, boosted_info_nce, conditional_info_nce, decomposed_info_nce
from graphml.losses.info_nce import info_nce
from graphml.losses.local_global import local_global_loss
from graphml.losses.minority_augmentation import augment_minority
from graphml.losses.minority_contrastive import MinorityContrastiveLoss, minority_contrastive_loss
from graphml.losses.scaled_cosine import scaled_cosine_error

__all__ = [
    "DecomposedInfoNCE",
    "MinorityContrastiveLoss",
    "augment_minority",
    "boosted_info_nce",
    "bootstrap_loss",
    "cca_loss",
    "conditional_info_nce",
    "decomposed_info_nce",
    "info_nce",
    "local_global_loss",
    "minority_contrastive_loss",
    "scaled_cosine_error",
]
