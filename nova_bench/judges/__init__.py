"""Judges answer yes/no questions about images: mPLUG, vision-language models, VQA models, the shapes world's own."""
