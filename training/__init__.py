"""Making backbones: corpora, painted opacities, networks, training and export (PyTorch)."""
