"""Whole networks as plain modules: the wavelet encoder and the encoders that it is compared with.

Every encoder maps ``(x, edge_index, edge_weight, density)`` to node embeddings ``[N, out_channels]``.
"""

from graphml.models.der_gcn import DERGCN, EncodedDialogues
from graphml.models.gcn_encoder import GCNEncoder, MLPEncoder
from graphml.models.identity_encoder import IdentityEncoder
from graphml.models.polynomial_encoder import PolynomialEncoder
from graphml.models.wavelet_encoder import WaveletEncoder

__all__ = ["DERGCN", "EncodedDialogues", "GCNEncoder", "IdentityEncoder", "MLPEncoder", "PolynomialEncoder", "WaveletEncoder"]
