"""MNIST: 70,000 handwritten digits."""

from __future__ import annotations

from narrows.data.dataset import Dataset
from narrows.data.named._mnist_like import load
from narrows.work.progress import Progress

__all__ = ["mnist"]

SOURCES = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
HASHES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def mnist(progress: Progress | None = None) -> Dataset:
    """Return MNIST (70000, 1, 28, 28): 60,000 training images, then 10,000 test images (LeCun et al. 1998)."""
    return load("mnist", "mnist", SOURCES, HASHES, tuple("0123456789"), progress)
