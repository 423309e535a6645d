"""The assets by name."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from nova_bench.core.identity import digest


@dataclass(frozen=True)
class AssetFile:
    """One file of an asset: its path inside the asset (with `/`), SHA-256 and bytes.

    ``sha256`` is None if no digest was ever published. Any file under that name is then accepted, and results are kept
    apart by its actual digest. ``approximate``: the size is for people only.
    """

    path: str
    sha256: str | None
    size: int
    approximate: bool = False


@dataclass(frozen=True)
class PackageSource:
    """Files inside a wheel of the Python package registry; the wheel is read, never installed."""

    requirement: str
    wheel_sha256: str
    folder: str

    def __str__(self) -> str:
        return f"the wheel {self.requirement}, {self.folder}/"


@dataclass(frozen=True)
class UrlSource:
    """One file behind a URL, or several below one that ends in a slash."""

    url: str

    def of(self, file: AssetFile) -> str:
        """Where a file is."""
        return self.url + file.path if self.url.endswith("/") else self.url

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class HubSource:
    """Files of a model repository on the Hugging Face hub, below ``folder`` unless it is empty.

    They stay in the hub's own cache (HF_HOME), so that other programs share them. ``revision`` is a full commit hash,
    since a branch may move. Raises ValueError for anything else.
    """

    repo_id: str
    revision: str
    folder: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{40}", self.revision):
            raise ValueError(f"{self.repo_id}: {self.revision!r} is not a full commit hash")

    def __str__(self) -> str:
        return f"huggingface.co/{self.repo_id} at {self.revision[:8]}"


@dataclass(frozen=True)
class ModelSource:
    """A whole model in ``folder``: the hub's cache if there is a ``repo_id``, else any folder of this machine."""

    repo_id: str
    revision: str
    folder: Path

    def __str__(self) -> str:
        return f"huggingface.co/{self.repo_id} at {self.revision}" if self.repo_id else str(self.folder)


@dataclass(frozen=True)
class Asset:
    """Something that nova_bench needs but doesn't ship: one file, or a folder of several.

    Each file with a published SHA-256 is compared with it before it is used.
    """

    name: str
    summary: str
    source: PackageSource | UrlSource | HubSource | ModelSource
    files: tuple[AssetFile, ...]
    licence: str

    @property
    def title(self) -> str:
        """The name that users know: the file's name, or the asset's if it is a folder."""
        if isinstance(self.source, ModelSource):
            return self.source.repo_id or str(self.source.folder)
        return self.files[0].path if len(self.files) == 1 else f"{self.name} ({len(self.files)} files)"

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def sha256(self) -> str | None:
        """Digest of the content: the file's own, or one over all files and their paths. None if not published."""
        if any(file.sha256 is None for file in self.files):
            return None
        if len(self.files) == 1:
            return self.files[0].sha256
        return digest("asset", sorted([file.path, file.sha256] for file in self.files))


def _weights(
    name: str, url: str, sha256: str | None, size: int, summary: str, licence: str, approximate: bool = False
) -> Asset:
    """One weight file behind a URL, by its official name."""
    file = AssetFile(url.rpartition("/")[2], sha256, size, approximate)
    return Asset(name=name, summary=summary, source=UrlSource(url), files=(file,), licence=licence)


_VBENCH_MODELS = "https://huggingface.co/OpenGVLab/VBench_Used_Models/resolve/main"
_VBENCH_WHEEL = PackageSource(
    requirement="vbench==0.1.5",
    wheel_sha256="13266ed4715d91a7669ab58484b9e010bc91bb96e129d414fb512d4937890023",
    folder="vbench",
)

ASSETS: dict[str, Asset] = {
    asset.name: asset
    for asset in (
        Asset(
            name="vbench-prompts",
            summary="VBench's 946 prompts with their dimensions",
            source=_VBENCH_WHEEL,
            files=(
                AssetFile(
                    path="VBench_full_info.json",
                    sha256="5dd2de80ee43cda750b2b72ea7023657c0b90d3702041c7e4608c65dbe50dccd",
                    size=228118,
                ),
            ),
            licence="Apache-2.0",
        ),
        _weights(
            "dino-vitb16",
            "https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth",
            "bf34ad0f424b9029b593e8dc3ed553bf26e88bcba0d32bf3e62a6209cb64c85e",
            343242485,
            "DINO ViT-B/16, for subject consistency",
            "Apache-2.0",
        ),
        _weights(
            "clip-vit-b-32",
            "https://openaipublic.azureedge.net/clip/models/"
            "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt",
            "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
            353976522,
            "OpenAI CLIP ViT-B/32, for background consistency and appearance style",
            "MIT",
        ),
        _weights(
            "clip-vit-l-14",
            "https://openaipublic.azureedge.net/clip/models/"
            "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836/ViT-L-14.pt",
            "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
            932768134,
            "OpenAI CLIP ViT-L/14, for aesthetic quality",
            "MIT",
        ),
        _weights(
            "aesthetic-linear",
            "https://raw.githubusercontent.com/LAION-AI/aesthetic-predictor/main/sa_0_4_vit_l_14_linear.pth",
            "2cd4e60f4f24ae3bcd57b847b13c1f3ba27edc28cc1a7f9ce74ee9f421243cba",
            4071,
            "LAION's aesthetic predictor on CLIP ViT-L/14",
            "MIT",
        ),
        _weights(
            "musiq-spaq",
            "https://github.com/chaofengc/IQA-PyTorch/releases/download/v0.1-weights/musiq_spaq_ckpt-358bb6af.pth",
            "358bb6af275e28ea56821d44fb55c6cb83645db11f394d3ad65b2d149965ab50",
            108610983,
            "MUSIQ trained on SPAQ, for imaging quality",
            "Apache-2.0 (network), see IQA-PyTorch",
        ),
        # RAFT's authors publish a zip of several models; another project's release has exactly this file.
        _weights(
            "raft-things",
            "https://github.com/sczhou/ProPainter/releases/download/v0.1.0/raft-things.pth",
            "fcfa4125d6418f4de95d84aec20a3c5f4e205101715a79f193243c186ac9a7e1",
            21108000,
            "RAFT trained on FlyingThings, for dynamic degree and the static filter",
            "BSD-3-Clause",
        ),
        # Size and digest are stated by one public repository that fetched it.
        _weights(
            "amt-s",
            "https://huggingface.co/lalala125/AMT/resolve/main/amt-s.pth",
            "07e7e03405c213fe4405678db9b42d05671e48c56faf6a441b99bb0047d3cf77",
            12038359,
            "AMT-S frame interpolation, for motion smoothness",
            "CC-BY-NC-4.0",
        ),
        # Size and digest of UMT's file are stated by two public repositories that fetched it, those of ViCLIP's by one;
        # the sizes are those of the networks, in float16 without positions and in float32.
        _weights(
            "umt-l-16",
            f"{_VBENCH_MODELS}/l16_ptk710_ftk710_ftk400_f16_res224.pth",
            "bfee78a03bf806fbc0c216309e8f92792011b7db6556fa860e9d869c1e69fecd",
            607024201,
            "UMT-L/16 fine-tuned on Kinetics-400, for human action",
            "Apache-2.0 (code), see OpenGVLab/unmasked_teacher",
        ),
        _weights(
            "viclip-l-14",
            f"{_VBENCH_MODELS}/ViClip-InternVid-10M-FLT.pth",
            "7a4d6ad6eac6632db3693f4b97f9f8f6445b65b1e139a6fc6686150522238c56",
            1710545812,
            "ViCLIP-L/14 trained on InternVid-10M-FLT, for temporal style and overall consistency",
            "CC-BY-NC-SA-4.0",
        ),
        # Size and digest are stated by one public repository that fetched it; the size is that of float16 weights.
        _weights(
            "grit-b",
            f"{_VBENCH_MODELS}/grit_b_densecap_objectdet.pth",
            "53b6e9b3fd948eac55b574c9b6f94ad0743dff46ba449df7ac2d33009ee92ef1",
            417381733,
            "GRiT-B, for object class, multiple objects, color and spatial relationship",
            "MIT",
        ),
        # VBench's own code fetches this file. It holds the state of its training too; size and digest are stated by one
        # public repository that fetched it.
        _weights(
            "tag2text-swin-14m",
            "https://huggingface.co/spaces/xinyu1205/recognize-anything/resolve/main/tag2text_swin_14m.pth",
            "4ce96f0ce98f940a6680d567f66a38ccc9ca8c4e638e5f5c5c2e881a0e3502ac",
            4478705095,
            "Tag2Text with Swin-B/384, for scene",
            "Apache-2.0",
        ),
        Asset(
            name="tag2text-tags",
            summary="the 3429 tags of Tag2Text in the network's order, for scene",
            source=replace(_VBENCH_WHEEL, folder="vbench/third_party/tag2Text"),
            files=(
                AssetFile(
                    path="tag_class.py",
                    sha256="8e33d5653fc4f5f1792bad82e64dcbf4a004dacf633b8e8d6a811ae07b7a73bf",
                    size=39420,
                ),
            ),
            licence="Apache-2.0",
        ),
        Asset(
            name="bert-vocab",
            summary="the word pieces of bert-base-uncased, for scene and the dimensions that use GRiT",
            source=HubSource("google-bert/bert-base-uncased", "86b5e0934494bd15c9632b12f734a8a67f723594"),
            files=(
                AssetFile(
                    path="vocab.txt",
                    sha256="07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
                    size=231508,
                ),
            ),
            licence="Apache-2.0",
        ),
        Asset(
            name="clip-bpe",
            summary="CLIP's byte-pair merges, for the dimensions that read text",
            source=PackageSource(
                requirement="open_clip_torch==3.3.0",
                wheel_sha256="c549ad5ed6bfc119cc11105033c0a2b9d7a2a4afeb40a58a09aab3da1a0043ce",
                folder="open_clip",
            ),
            files=(
                AssetFile(
                    path="bpe_simple_vocab_16e6.txt.gz",
                    sha256="924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a",
                    size=1356917,
                ),
            ),
            licence="MIT",
        ),
        Asset(
            name="kinetics-400",
            summary="the 400 actions of Kinetics in the classifier's order, for human action",
            source=replace(_VBENCH_WHEEL, folder="vbench/third_party/umt"),
            files=(
                AssetFile(
                    path="kinetics_400_categories.txt",
                    sha256="903552632974b59d4d1beda96f7bb2829602bfeca1b3fdd5eb4bec3c5a12c1df",
                    size=7446,
                ),
            ),
            licence="Apache-2.0",
        ),
        Asset(
            name="dpg-questions",
            summary="DPG-Bench's 1,065 prompts with their questions",
            source=UrlSource("https://raw.githubusercontent.com/TencentQQGYLab/ELLA/main/dpg_bench/dpg_bench.csv"),
            files=(AssetFile("dpg_bench.csv", None, 4_000_000, approximate=True),),
            licence="not stated for the file; the repository is Apache-2.0",
        ),
        # The same repository was first called damo/... Its digests aren't published; the size is what 747 million
        # float32 parameters take.
        Asset(
            name="mplug-vqa-large",
            summary="mPLUG-large for visual question answering, the judge of DPG-Bench",
            source=UrlSource(
                "https://modelscope.cn/models/iic/mplug_visual-question-answering_coco_large_en/resolve/master/"
            ),
            files=(
                AssetFile("config.yaml", None, 1_000, approximate=True),
                AssetFile("config_bert.json", None, 1_000, approximate=True),
                AssetFile("vocab.txt", None, 231_508, approximate=True),
                AssetFile("pytorch_model.bin", None, 3_000_000_000, approximate=True),
            ),
            licence="Apache-2.0",
        ),
        # Torchvision names its files by the first digits of their digest. The full digest and the size are from public
        # repositories that fetched the file, and they agree.
        _weights(
            "alexnet",
            "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
            "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
            244408911,
            "torchvision's AlexNet, for LPIPS",
            "BSD-3-Clause",
        ),
        Asset(
            name="lpips-alex",
            summary="LPIPS 0.1, the weights of AlexNet's features",
            source=PackageSource(
                requirement="lpips==0.1.4",
                wheel_sha256="fd537af5828b69d2e6ffc0a397bd506dbc28ca183543617690844c08e102ec5e",
                folder="lpips/weights/v0.1",
            ),
            files=(
                AssetFile(
                    path="alex.pth",
                    sha256="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
                    size=6009,
                ),
            ),
            licence="BSD-2-Clause",
        ),
        Asset(
            name="stlpips-alex",
            summary="ST-LPIPS with AlexNet (its wheel is 64 MB)",
            source=PackageSource(
                requirement="stlpips_pytorch==0.0.2",
                wheel_sha256="a412bf901a97c942b37af57c7c63b6e5d1aebfe8d1dfc17853d4b2f878630645",
                folder="stlpips_pytorch/weights/vST0.0",
            ),
            files=(
                AssetFile(
                    path="alex_shift_tolerant.pth",
                    sha256="b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee",
                    size=9899296,
                ),
            ),
            licence="BSD-2-Clause",
        ),
    )
}
