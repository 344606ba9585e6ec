"""Data sets known by name. One file each, exporting one function: ``(progress) -> Dataset``."""

from __future__ import annotations

from narrows.registry import Registry

named = Registry("narrows.data.named", "dataset")
