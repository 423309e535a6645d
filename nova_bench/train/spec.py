"""The contents of a training file as frozen pydantic models, independent of files and torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from nova_bench.config import ranges
from nova_bench.config.fields import BatchSize, Count, Frames, Seed, SpecModel, Steps
from nova_bench.config.paths import SuitePath


class DataSpec(SpecModel):
    """Which clips are trained on."""

    world: Literal["shapes"] = "shapes"
    """The generator of clips: `shapes` draws moving shapes with captions."""
    split: str = "train"
    """Split of the world; its test split is never trained on."""
    seed: Seed = 0
    """Seed of the world."""
    scenes: Literal["single", "pair", "group"] | None = None
    """Only scenes of one object, of two with a relation, or of two or three equal ones. Default: all kinds."""
    clips: int = Field(default=8000, ge=1, le=2**31)
    """Number of clips whose latents are stored for the transformer; may be raised while a run continues."""
    num_frames: Frames = 17
    """Frames of a clip: 1 + temporal stride * j, at most 17 (one time tile of the autoencoder)."""
    size: int = Field(default=64, ge=8, le=ranges.SIDE)
    """Height and width in pixels."""


class OptimizationSpec(SpecModel):
    """How parameters are updated: AdamW or Muon, warmup, a schedule, clipped gradients and averaged weights."""

    steps: int = Field(ge=1)
    """Optimizer steps. May change while a run continues: raise it to train longer."""
    learning_rate: float = Field(gt=0)
    """Peak learning rate."""
    muon_learning_rate: float | None = Field(default=None, gt=0)
    """Peak learning rate of Muon (orthogonalized momentum, rates comparable to AdamW's), which updates the matrices and
    kernels between the first and the last layers. If absent, AdamW updates everything."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """What the learning rate does after warmup."""
    warmup_steps: int = Field(default=100, ge=0)
    """Steps of linear warmup from zero."""
    final_fraction: float = Field(default=0.05, ge=0, le=1)
    """Final value of a cosine schedule, as a fraction of the peak."""
    betas: tuple[float, float] = (0.9, 0.95)
    """Decay of AdamW's first and second moments."""
    weight_decay: float = Field(default=0.02, ge=0)
    """AdamW's decoupled weight decay, on matrices and kernels; never on biases, norms and single vectors."""
    clip_norm: float | None = Field(default=1.0, gt=0)
    """Largest norm of the whole gradient; a larger gradient is scaled down to it. null: gradients stay as they are."""
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the exponential moving average of the weights, which is saved as the model."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Type of products: `auto` is bf16 autocast on CUDA and fp32 on the CPU; fp16 (with loss scaling) needs CUDA."""
    checkpoint_every: int = Field(default=200, ge=1)
    """Steps between saved states. A kill loses at most the steps since the last one."""
    activations_every: int = Field(default=50, ge=1)
    """Steps between records of every block's activation norms."""
    may_diverge: bool = False
    """A loss that isn't finite ends this training and is its result, so that others of a sweep go on. Otherwise it is
    an error."""


class AutoencoderSpec(SpecModel):
    """The video autoencoder, trained first: errors of pixels and of their differences, and a small KL term."""

    pretrained: SuitePath | None = None
    """Folder of a trained autoencoder; then only its decoder can be trained further, by `decoder_optimization`."""
    config: dict[str, Any] = Field(default_factory=dict)
    """Keys of `vae/config.json` (AutoencoderKLOpenSora); absent keys take the published value."""
    clip_lengths: tuple[int, ...] = (17,)
    """Frames of the clips of each batch, in turn; 1 trains images."""
    batch_frames: Count = 34
    """Frames per batch: shorter clips come in larger batches, so that steps cost about the same."""
    crop: int | None = Field(default=None, ge=8, le=ranges.SIDE)
    """Side of square crops in pixels, a multiple of the spatial stride; if absent, only whole frames are used."""
    crop_share: float = Field(default=0.75, ge=0, le=1)
    """Share of batches that are crops. A crop holds a place that differs from most of its clip, so small objects are
    seen often; crops come in larger batches, so that steps cost about the same."""
    kl_weight: float = Field(default=1e-3, ge=0)
    """Weight of the KL divergence to the standard normal, a mean over latent values."""
    square_weight: float = Field(default=2.0, ge=0)
    """Weight of the mean squared error of pixels."""
    edge_weight: float = Field(default=1.0, ge=0)
    """Weight of the mean absolute error of horizontal, vertical and temporal differences."""
    optimization: OptimizationSpec | None = None
    """How it is trained; needed unless `pretrained` is given."""
    decoder_optimization: OptimizationSpec | None = None
    """How the decoder is trained alone, once the encoder and thus the transformer's latents are fixed."""
    decoder_noise: float = Field(default=0.1, ge=0)
    """Noise on the latents in that stage, as a fraction of their standard deviation: the transformer's latents are
    not as clean as the encoder's."""

    @model_validator(mode="after")
    def _one_source(self) -> AutoencoderSpec:
        if (self.pretrained is None) == (self.optimization is None):
            raise ValueError("give either `pretrained` or `optimization`")
        if any(part and part.may_diverge for part in (self.optimization, self.decoder_optimization)):
            raise ValueError("`may_diverge` is for the transformer alone: without an autoencoder there is no result")
        return self


class TextSpec(SpecModel):
    """The Phi text encoder, trained together with the transformer: no pretrained one is that small."""

    max_tokens: Steps = 32
    """Tokens of a prompt; longer prompts are cut. Every word of the data is one token."""
    width: int = Field(default=64, ge=8, le=65_536)
    """Features of a token."""
    layers: int = Field(default=2, ge=1, le=4096)
    """Decoder layers."""
    heads: int = Field(default=2, ge=1, le=4096)
    """Attention heads."""


class TransformerSpec(SpecModel):
    """The NOVA transformer and the text encoder."""

    pretrained: SuitePath | None = None
    """Folder of a checkpoint with the initial transformer and text encoder; if absent, weights are random."""
    config: dict[str, Any]
    """Keys of `transformer/config.json`; image size, stride and channels and the text's size follow from the rest."""
    batch_size: BatchSize = 16
    """Clips per step."""
    images: int = Field(default=0, ge=0, le=ranges.BATCH)
    """Additional clips per step that are trained on as images, by their first frame alone. The first frame decides what
    a clip shows, and an image costs a fraction of a video."""
    prompt_dropout: float = Field(default=0.1, ge=0, le=1)
    """Share of prompts replaced by the null text, for classifier-free guidance."""
    dense_captions: float = Field(default=0.5, ge=0, le=1)
    """Share of clips with dense instead of short captions."""
    stated_flow: float = Field(default=0.5, ge=0, le=1)
    """Share of clips whose true mean flow is the motion condition; the others get 5, the pipeline's default."""
    loss_repeat: Steps = 4
    """Diffusion draws per token and step."""
    optimization: OptimizationSpec
    """How transformer and text encoder are trained."""


class HeldOutSpec(SpecModel):
    """The loss on clips of the test split, once training is finished."""

    clips: Count = 64
    """Moving clips."""
    num_frames: Frames | None = None
    """Frames of each clip, 1 + 16 * j: more than in training show what happens beyond it. Default: those of the
    training's clips."""
    extrapolation: Literal["interpolate", "extend"] = "extend"
    """Positions of longer clips: the published rule squeezes them into the trained range, `extend` counts on."""
    mask_ratios: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (1.0, 0.7, 0.4)
    """Shares of the tokens of a frame that are masked; 1 is the start of a frame's generation."""
    repeat: Steps = 8
    """Diffusion draws of each token."""
    num_inference_steps: Steps = 8
    """Autoregressive steps of each frame of the model's own context."""
    num_diffusion_steps: Steps = 10
    """Its diffusion steps."""
    guidance_scale: float = Field(default=3.0, ge=0)
    """Its classifier-free guidance."""


class TrainSpec(SpecModel):
    """A whole training run."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Name of the run and of its folder."""
    title: str = ""
    """A title, in one line."""
    description: str = ""
    """What this run is for and what it costs."""
    seed: Seed = 1337
    """Determines initial weights and, together with the step, all random numbers of a step."""
    data: DataSpec = DataSpec()
    """Which clips are trained on."""
    autoencoder: AutoencoderSpec
    """The autoencoder and its training."""
    text: TextSpec = TextSpec()
    """The text encoder."""
    transformer: TransformerSpec
    """The transformer and its training."""
    held_out: HeldOutSpec | None = None
    """Measure the loss on unseen clips at the end, per latent frame; absent: not measured."""
    scheduler: dict[str, Any] = Field(default={"_class_name": "FlowMatchEulerDiscreteScheduler"})
    """Keys of `scheduler/scheduler_config.json`: defines noising and target."""
    export_dtype: Literal["float32", "float16", "bfloat16"] = "float16"
    """Type of the weights in the finished checkpoint."""


class SweepSpec(SpecModel):
    """Several trainings in one command: every file with every seed and every learning rate."""

    description: str = ""
    """What the trainings are for."""
    trainings: tuple[str, ...] = Field(min_length=1)
    """Training files, relative to this one, or other sweeps."""
    seeds: tuple[Seed, ...] = ()
    """Seeds of each; run `NAME` of seed 1 is called `NAME-s1`. Needed unless all `trainings` are sweeps, whose own it
    replaces."""
    learning_rates: tuple[Annotated[float, Field(gt=0)], ...] = ()
    """Peak learning rates of each transformer; run `NAME` is called `NAME-lr0.001`. Default: the file's own."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Values that differ from the training files: dotted key -> value, as `--set` takes them."""
    suffix: str = Field(default="", pattern=r"^[A-Za-z0-9._-]*$")
    """Added to the name of each run, before learning rate and seed."""

    @field_validator("trainings", "seeds", "learning_rates")
    @classmethod
    def _distinct(cls, entries: tuple[Any, ...]) -> tuple[Any, ...]:
        if twice := next((entry for entry in entries if entries.count(entry) > 1), None):
            raise ValueError(f"{twice!r} appears twice")
        return entries
