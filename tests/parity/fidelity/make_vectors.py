"""Computes ``lpips.json`` with the official packages (not run by the tests).

    python -m tests.parity.fidelity.make_vectors FOLDER

FOLDER holds the unpacked wheels lpips 0.1.4, stlpips_pytorch 0.0.2 and torchvision 0.28.0.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from types import ModuleType

import torch

from tests.parity.fidelity.cases import CASES, VECTORS, pair
from tests.parity.fidelity.weights import rule_weights


def main(folder: str) -> None:
    official = load_official(folder)
    networks = {
        "lpips, rule": with_rule(official["lpips"](net="alex", pnet_rand=True, verbose=False)),
        "st_lpips, rule": with_rule(official["st_lpips"](net="alex", variant="shift_tolerant", verbose=False)),
        "st_lpips, published": official["st_lpips"](net="alex", variant="shift_tolerant", verbose=False),
    }
    torch.set_num_threads(1)
    document = {
        "made_with": {"lpips": "0.1.4", "stlpips_pytorch": "0.0.2", "torch": version("torch")},
        "weights": {name: weight_sum(network) for name, network in networks.items()},
        "cases": {case: {name: values(network, case) for name, network in networks.items()} for case in CASES},
    }
    VECTORS.write_text(json.dumps(document, indent=1) + "\n")


def load_official(folder: str) -> dict[str, type[torch.nn.Module]]:
    """The two classes. What their modules import and never use here is replaced by empty modules."""
    # The registry's torchvision has no C++ operators beside a CPU torch; their schemas are enough to import it.
    global _operators
    _operators = torch.library.Library("torchvision", "DEF")
    _operators.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _operators.define("qnms(Tensor dets, Tensor scores, Tensor iou_threshold) -> Tensor")
    for name, attribute in (("IPython", "embed"), ("torchsummary", "summary")):
        sys.modules[name] = ModuleType(name)
        setattr(sys.modules[name], attribute, None)
    sys.path.insert(0, folder)
    from lpips import LPIPS
    from stlpips_pytorch.stlpips import LPIPS as ShiftTolerantLPIPS

    return {"lpips": LPIPS, "st_lpips": ShiftTolerantLPIPS}


def with_rule(network: torch.nn.Module) -> torch.nn.Module:
    """The same with the rule's weights."""
    made = rule_weights(official_names(network))
    missing = network.load_state_dict(made, strict=False).missing_keys
    assert all(key.endswith(("filt", "shift", "scale")) or key.startswith("lins.") for key in missing), missing
    return network


def official_names(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Its weights without the heads' second name."""
    return {key: value for key, value in network.state_dict().items() if not key.startswith("lins.")}


def weight_sum(network: torch.nn.Module) -> float:
    """Sum of the absolute values, in float64, of trunk and heads."""
    names = official_names(network).items()
    return sum(value.double().abs().sum().item() for key, value in names if key.endswith(("weight", "bias")))


def values(network: torch.nn.Module, case: str) -> list[float] | None:
    """Distances of a case, frame by frame as the packages' own scripts do; None where it is too small."""
    found = []
    for frames in zip(*pair(case), strict=True):
        inputs = [(frame.permute(2, 0, 1)[None].float() / 127.5) - 1 for frame in frames]
        try:
            with torch.inference_mode():
                found.append(network(*inputs).item())
        except RuntimeError:
            return None
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
