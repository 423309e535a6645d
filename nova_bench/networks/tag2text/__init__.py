"""Tag2Text (Huang et al., ICLR 2024, arXiv 2303.05657): an image's tags, and a caption that is guided by them.

An image becomes tokens (Swin), these tell which of 3429 tags apply (:mod:`model`), the tags and the image become states
(:mod:`text`), and a decoder writes a caption from the states (:mod:`beam_search`). Names follow the official file.
"""
