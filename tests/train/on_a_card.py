"""Train a specification on the CPU and on a card that isn't there: python -m tests.train.on_a_card SPECIFICATION FOLDER

A process of its own: autograd needs the card's driver before torch is loaded.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.card_driver import load_driver


def main(suite: str, folder: Path) -> None:
    assert load_driver()
    import torch

    from nova_bench.core.progress import Progress
    from nova_bench.train.load import load_training
    from nova_bench.train.run import train
    from tests.fake_card import fake_card

    torch.set_num_threads(1)
    spec = load_training(suite, ["transformer.optimization.steps=12", "autoencoder.optimization.steps=4"])
    train(spec, folder / "cpu", "cpu", Progress(quiet=True))
    with fake_card() as card, torch.autograd.set_multithreading_enabled(False):
        train(spec, folder / "cuda", "cuda", Progress(quiet=True))
        print(json.dumps({"name": spec.name, "peak": card.peak}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
