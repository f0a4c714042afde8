"""graphml: graph representation learning, emotion recognition in conversation, and federated learning on graphs.

Import what you need from the subpackages (``graphml.nn``, ``graphml.spectral``, ``graphml.data`` ...): importing
``graphml`` itself loads neither torch nor Lightning.
"""

__version__ = "0.1.0"
