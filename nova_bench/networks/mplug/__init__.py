"""mPLUG-large, fine-tuned to answer questions about images: the judge of DPG-Bench's published numbers.

Paper: Li et al., EMNLP 2022, arXiv 2205.12005. An image becomes states once (:mod:`vision`); each question is read,
and fused with them (:mod:`fusion`); a decoder writes the answer (:mod:`decoder`, :mod:`beam_search`). Names follow the
official file of the model hub.
"""
