"""Fashion-MNIST: 70,000 pieces of clothing."""

from __future__ import annotations

from narrows.data.dataset import Dataset
from narrows.data.named._mnist_like import load
from narrows.work.progress import Progress

__all__ = ["fashion_mnist"]

SOURCES = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)
HASHES = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
LABEL_NAMES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def fashion_mnist(progress: Progress | None = None) -> Dataset:
    """Return Fashion-MNIST (70000, 1, 28, 28): 60,000 training images, then 10,000 test images (Xiao et al. 2017)."""
    return load("fashion-mnist", "fashion_mnist", SOURCES, HASHES, LABEL_NAMES, progress)
