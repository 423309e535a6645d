"""A whole training run: autoencoder, latents, transformer, finished checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nova_bench.config.paths import locate
from nova_bench.core.errors import UserError
from nova_bench.core.identity import digest
from nova_bench.core.progress import Progress, log_to
from nova_bench.nova.errors import NOVAError
from nova_bench.nova.pipeline import NOVAPipeline
from nova_bench.nova.schedulers import load_scheduler
from nova_bench.nova.vae import Autoencoder, AutoencoderKLOpenSora, load_vae
from nova_bench.train.autoencoder_stage import AutoencoderStage, DecoderStage, make_autoencoder
from nova_bench.train.data import LatentClips, encode_clips, open_world
from nova_bench.train.held_out import measure_held_out, same_measure
from nova_bench.train.loop import train_stage
from nova_bench.train.optimization import Precision
from nova_bench.train.pretrained import begin_with
from nova_bench.train.record import RECORD, DivergenceRecord, HeldOutRecord, read_record, write_record
from nova_bench.train.spec import TrainSpec
from nova_bench.train.text import make_text_encoder, make_tokenizer, notice_cut_captions
from nova_bench.train.transformer_stage import TransformerStage, make_transformer

CHECKPOINT = "checkpoint"


@dataclass(frozen=True)
class Trained:
    """What a run ends with."""

    folder: Path
    """The run's folder."""
    steps: int
    """Optimizer steps done by this call; 0 if training was already finished."""
    diverged: DivergenceRecord | None = None
    """How training ended early; then there is no checkpoint."""

    @property
    def checkpoint(self) -> Path:
        """The finished checkpoint in the published layout."""
        return self.folder / CHECKPOINT


def train(spec: TrainSpec, runs: Path, device: str, progress: Progress) -> Trained:
    """Train everything that isn't trained yet, and write ``<runs>/<name>/checkpoint``.

    ``runs`` also holds ``latents/``, shared by runs with the same autoencoder and data. Raises UserError if the
    settings can't be trained, if the folder holds a run with other settings, or if training diverges and may not
    (``OptimizationSpec.may_diverge``); where it may, only the record is written.
    """
    folder = runs / spec.name
    folder.mkdir(parents=True, exist_ok=True)
    with log_to(folder / "train.log"):
        vae, vae_steps = _trained_autoencoder(spec, folder, device, progress)
        weights = _weights_digest(vae)
        data = _data_identity(spec)
        clips = _encoded(spec, vae, weights, runs, device, progress)
        if spec.autoencoder.pretrained is None:
            factor, shift = clips.scaling()
            vae.config |= {"scaling_factor": factor, "shift_factor": shift}
        stage, pipeline = _transformer_stage(spec, vae, clips, device)
        notices: list[str] = []

        def notice(text: str, names: Sequence[str]) -> None:
            progress.notice(text, names)
            notices.append(text)

        captions = [*clips.captions] if spec.transformer.dense_captions < 1 else []
        captions += clips.dense_captions if spec.transformer.dense_captions > 0 else []
        notice_cut_captions(pipeline.tokenizer, captions, spec.text.max_tokens, notice)
        section = spec.transformer
        identity = {
            "seed": spec.seed,
            "data": data,
            "autoencoder": weights,
            "text": spec.text.model_dump(mode="json"),
            "transformer": _without_steps(section.model_dump(mode="json")),
            "scheduler": spec.scheduler,
        }
        outcome = train_stage(stage, section.optimization, spec.seed, identity, folder, device, progress)
        steps = outcome.steps
        if outcome.diverged:
            write_record(spec, folder, device, notices, diverged=outcome.diverged)
            return Trained(folder, vae_steps + steps, outcome.diverged)
        steps += _train_decoder(spec, vae, folder, device, progress)
        held_out = _held_out(pipeline, spec, folder, steps, progress)
        pipeline.to("cpu", getattr(torch, spec.export_dtype)).save_pretrained(folder / CHECKPOINT)
        write_record(spec, folder, device, notices, held_out)
    return Trained(folder, vae_steps + steps)


def _held_out(
    pipeline: NOVAPipeline, spec: TrainSpec, folder: Path, steps: int, progress: Progress
) -> HeldOutRecord | None:
    """Measure the finished model on unseen clips; what was measured before is read if nothing was trained since."""
    if not steps and (folder / RECORD).is_file():
        before = read_record(folder)
        if spec.held_out is None or (before.held_out and same_measure(before.held_out, spec.held_out)):
            return before.held_out
    return measure_held_out(pipeline, spec, progress)


def encode_shared_clips(specs: Sequence[TrainSpec], runs: Path, device: str, progress: Progress) -> None:
    """Encode the clips that trainings on pretrained autoencoders share, so that parallel trainings don't repeat it."""
    distinct: dict[str, tuple[str, TrainSpec]] = {}
    for spec in specs:
        pretrained = spec.autoencoder.pretrained
        if pretrained is not None:
            key = (pretrained, spec.data, spec.transformer.optimization.precision)
            distinct.setdefault(repr(key), (pretrained, spec))
    for pretrained, spec in distinct.values():
        vae = _pretrained_autoencoder(pretrained, device)
        _encoded(spec, vae, _weights_digest(vae), runs, device, progress)


def _encoded(
    spec: TrainSpec, vae: AutoencoderKLOpenSora, weights: str, runs: Path, device: str, progress: Progress
) -> LatentClips:
    precision = Precision(spec.transformer.optimization.precision, device)
    latents = runs / "latents" / digest("latents", [weights, _data_identity(spec), precision.setting])[:16]
    return encode_clips(vae, spec.data, latents, precision, progress)


def _pretrained_autoencoder(folder: str, device: str) -> AutoencoderKLOpenSora:
    try:
        vae = load_vae(locate(folder), torch.float32, device)
    except NOVAError as error:
        raise UserError(f"autoencoder.pretrained: {error}", "the vae folder of a checkpoint") from error
    if not isinstance(vae, AutoencoderKLOpenSora):
        raise UserError(
            f"autoencoder.pretrained: {folder} holds an {type(vae).__name__}, which encodes single images",
            "the vae folder of a video checkpoint (AutoencoderKLOpenSora)",
        )
    return vae


def _trained_autoencoder(
    spec: TrainSpec, folder: Path, device: str, progress: Progress
) -> tuple[AutoencoderKLOpenSora, int]:
    section = spec.autoencoder
    if section.pretrained is not None:
        return _pretrained_autoencoder(section.pretrained, device), 0
    assert section.optimization is not None, "see AutoencoderSpec"
    vae = make_autoencoder(section.config, spec.seed).to(device)
    identity = {
        "seed": spec.seed,
        "data": _data_identity(spec),
        "autoencoder": _without_steps(
            section.model_dump(mode="json", exclude={"pretrained", "decoder_optimization", "decoder_noise"})
        ),
    }
    stage = AutoencoderStage(spec, vae, device)
    outcome = train_stage(stage, section.optimization, spec.seed, identity, folder, device, progress)
    return vae.requires_grad_(False), outcome.steps


def _train_decoder(spec: TrainSpec, vae: AutoencoderKLOpenSora, folder: Path, device: str, progress: Progress) -> int:
    """Train the decoder alone if the file asks for it. This does not change the transformer's latents."""
    section = spec.autoencoder
    if section.decoder_optimization is None:
        return 0
    identity = {
        "seed": spec.seed,
        "data": _data_identity(spec),
        "encoder": _weights_digest(vae),
        "decoder": _without_steps(section.model_dump(mode="json"), "decoder_optimization"),
    }
    stage = DecoderStage(spec, vae, device)
    stage.module.requires_grad_(True)
    outcome = train_stage(stage, section.decoder_optimization, spec.seed, identity, folder, device, progress)
    vae.requires_grad_(False)
    return outcome.steps


def _transformer_stage(
    spec: TrainSpec, vae: Autoencoder, clips: LatentClips, device: str
) -> tuple[TransformerStage, NOVAPipeline]:
    try:
        scheduler = load_scheduler(spec.scheduler)
    except NOVAError as error:
        raise UserError(f"scheduler: {error}", "keys of scheduler/scheduler_config.json") from error
    tokenizer = make_tokenizer(open_world(spec.data).vocabulary(), spec.text.max_tokens)
    transformer = make_transformer(spec, vae, spec.seed)
    text_encoder = make_text_encoder(spec.text, tokenizer, spec.seed + 1)
    if spec.transformer.pretrained is not None:
        begin_with(spec.transformer.pretrained, {"transformer": transformer, "text_encoder": text_encoder})
    stage = TransformerStage(spec, transformer, text_encoder, tokenizer, scheduler, vae, clips, device)
    return stage, NOVAPipeline(transformer, scheduler, vae, text_encoder, tokenizer)


def _data_identity(spec: TrainSpec) -> dict[str, Any]:
    """The source of the clips, without their number, which may grow while a run continues."""
    return spec.data.model_dump(mode="json", exclude={"clips"}, exclude_none=True)


def _without_steps(section: dict[str, Any], key: str = "optimization") -> dict[str, Any]:
    """What must not change while a run continues: everything except its length and how often it is saved."""
    free = ("steps", "checkpoint_every", "may_diverge")
    return {**section, key: {name: value for name, value in section[key].items() if name not in free}}


def _weights_digest(vae: Autoencoder) -> str:
    """Digest of the values of all weights that make latents, in the order of the state dict."""
    result = hashlib.sha256()
    for name, value in vae.state_dict().items():
        if "decoder." in name or name.startswith("post_quant_conv."):
            continue
        result.update(name.encode())
        result.update(value.detach().float().cpu().contiguous().numpy().tobytes())
    return result.hexdigest()
