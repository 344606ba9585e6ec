"""Train an autoencoder with pythae's own trainer, and report its images per second.

It is run by the Python of an environment with pythae, which does not need narrows. The network is narrows' "conv" for
the same images, built from a file, so that only the trainers differ. pythae is used as in its documentation: pixels as
float32 in [0, 1], its ``BaseDataset``, ``BaseTrainer`` and ``BaseTrainerConfig``, with defaults for everything not
given here (Adam, a loader of single images without worker processes, float32).

    python bench/pythae_trainer.py images.npy --epochs 1 --batch-size 256 --lr 1e-3 --arch arch.json --out out.json

``images.npy`` contains uint8 (N, C, H, W). ``arch.json`` contains one entry per stage, and the size of the code::

    {"channels": [32, 64, 128], "kernel": [4, 4, 3], "stride": [2, 2, 2], "padding": [1, 1, 1],
     "code_size": 32, "conv_bias": false}

``conv_bias`` says whether a convolution before a normalisation has a bias (the last one always has). ``out.json``
receives images_per_s, seconds (wall) and cpu_seconds of the epochs only, without imports, reading, preparation and
saving; epochs, images, batch_size, threads, parameters (to check that the networks are the same), train_mse (per pixel,
the mean over the last epoch), and versions.
"""
# pythae is not installed where types are checked:
# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("TQDM_DISABLE", "1")  # read when tqdm is imported; pythae has no option to hide its progress bar

import numpy as np
import torch
from pythae.data.datasets import BaseDataset
from pythae.data.preprocessors import DataProcessor
from pythae.models import AE, AEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import Tensor, nn

WARM_UP_BATCHES = 8


class Encoder(BaseEncoder):
    """Strided convolutions, each with batch normalisation and ReLU, then a linear code."""

    def __init__(self, input_shape: tuple[int, ...], arch: dict[str, Any]) -> None:
        super().__init__()
        channels, *sides = input_shape
        layers: list[nn.Module] = []
        self.sides = [sides]  # before the first stage, and after each
        for outputs, kernel, stride, padding in _stages(arch):
            layers += [
                nn.Conv2d(channels, outputs, kernel, stride, padding, bias=arch["conv_bias"]),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
            channels = outputs
            sides = [(side + 2 * padding - kernel) // stride + 1 for side in sides]
            self.sides.append(sides)
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * math.prod(sides), arch["code_size"]))

    def forward(self, x: Tensor) -> ModelOutput:
        return ModelOutput(embedding=self.layers(x))  # (N, K)


class Decoder(BaseDecoder):
    """The mirror image of the encoder: a linear layer, then transposed convolutions up to a sigmoid."""

    def __init__(self, input_shape: tuple[int, ...], arch: dict[str, Any], sides: list[list[int]]) -> None:
        super().__init__()
        channels = [input_shape[0], *arch["channels"]]
        layers: list[nn.Module] = [
            nn.Linear(arch["code_size"], channels[-1] * math.prod(sides[-1])),
            nn.Unflatten(1, (channels[-1], *sides[-1])),
        ]
        for i, (inputs, kernel, stride, padding) in reversed(list(enumerate(_stages(arch)))):
            # A stride may drop a row or column on the way down; the output padding puts it back.
            rows, columns = (
                larger - ((smaller - 1) * stride - 2 * padding + kernel)
                for larger, smaller in zip(sides[i], sides[i + 1], strict=True)
            )
            bias = arch["conv_bias"] or i == 0
            layers += [
                nn.BatchNorm2d(inputs),
                nn.ReLU(inplace=True),
                nn.ConvTranspose2d(inputs, channels[i], kernel, stride, padding, (rows, columns), bias=bias),
            ]
        self.layers = nn.Sequential(*layers, nn.Sigmoid())

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.layers(z))  # (N, C, H, W)


class Clock(TrainingCallback):
    """Measures the time from the start of the first epoch to the end of the last, and keeps the last epoch's loss."""

    def on_train_begin(self, training_config: BaseTrainerConfig, **kwargs: Any) -> None:
        self.start = time.perf_counter(), time.process_time()

    def on_epoch_end(self, training_config: BaseTrainerConfig, **kwargs: Any) -> None:
        self.seconds = time.perf_counter() - self.start[0]
        self.cpu_seconds = time.process_time() - self.start[1]

    def on_log(self, training_config: BaseTrainerConfig, logs: dict[str, float], **kwargs: Any) -> None:
        self.loss = logs["train_epoch_loss"]  # squared error, summed over an image's values, mean over images


def train(images: Tensor, arch: dict[str, Any], epochs: int, batch_size: int, lr: float) -> tuple[Clock, AE]:
    """Train a new autoencoder on ``images`` float32 (N, C, H, W) in [0, 1]; return the clock and the model."""
    input_shape = tuple(images.shape[1:])
    torch.manual_seed(0)
    encoder = Encoder(input_shape, arch)
    decoder = Decoder(input_shape, arch, encoder.sides)
    model = AE(AEConfig(input_dim=input_shape, latent_dim=arch["code_size"]), encoder=encoder, decoder=decoder)
    dataset: BaseDataset = DataProcessor.to_dataset(images)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:  # the trainer always saves its final model
        config = BaseTrainerConfig(
            output_dir=folder, num_epochs=epochs, per_device_train_batch_size=batch_size, learning_rate=lr, no_cuda=True
        )
        BaseTrainer(model, dataset, training_config=config, callbacks=[clock]).train()
    return clock, model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, help="uint8 (N, C, H, W) in a .npy file")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--arch", type=Path, required=True, help="the network, as JSON")
    parser.add_argument("--out", type=Path, required=True, help="where the figures go, as JSON")
    parser.add_argument("--threads", type=int, help="default: what torch chooses (OMP_NUM_THREADS)")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    logging.disable(logging.INFO)  # warnings still show

    arch = json.loads(options.arch.read_text(encoding="utf-8"))
    pixels = np.load(options.images, allow_pickle=False).astype(np.float32) / 255
    images = DataProcessor().process_data(pixels)
    train(images[: WARM_UP_BATCHES * options.batch_size], arch, 1, options.batch_size, options.lr)
    clock, model = train(images, arch, options.epochs, options.batch_size, options.lr)

    figures = {
        "images_per_s": options.epochs * len(images) / clock.seconds,
        "seconds": clock.seconds,
        "cpu_seconds": clock.cpu_seconds,
        "epochs": options.epochs,
        "images": len(images),
        "batch_size": options.batch_size,
        "threads": torch.get_num_threads(),
        "parameters": sum(p.numel() for p in model.parameters()),
        "train_mse": clock.loss / math.prod(images.shape[1:]),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("pythae", "torch", "numpy", "pydantic")},
    }
    options.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _stages(arch: dict[str, Any]) -> list[tuple[int, int, int, int]]:
    """Return (channels, kernel, stride, padding) of each stage."""
    return list(zip(arch["channels"], arch["kernel"], arch["stride"], arch["padding"], strict=True))


if __name__ == "__main__":
    main()
