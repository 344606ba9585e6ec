"""Images as files: a folder, flat or nested; a glob; a list of files; one file.

Files are decoded once, in parallel, into one uint8 array in the cache folder, which is then mapped into memory. The
next time, the same files with the same settings are there at once.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data import images, scale, sizes
from narrows.data.dataset import Skipped
from narrows.data.formats import Options, Raw, Reader
from narrows.data.formats._decoding import Decoded, named
from narrows.data.formats._image_cache import decode_or_recall
from narrows.data.formats._image_files import as_text, common_parent, list_files, with_pages
from narrows.data.formats._subfolders import from_subfolders, levels_of
from narrows.data.formats._system_files import about
from narrows.data.labels import from_names, labels_file
from narrows.data.reading import MOST_PIXELS
from narrows.errors import DataError
from narrows.wording import out_of, plural

__all__ = ["Folder"]

MOST_NAMED = 10  # damaged files that a note names; ``Dataset.damaged`` has all


class Folder(Reader):
    """Reads images of allowed formats; what cannot be read is listed with its reason."""

    has_pages = True
    reads = f"a folder or glob of images ({images.READS}), one such image"

    def accepts(self, path: Path, head: bytes) -> bool:
        """Whether it is a folder, or a file named like an image."""
        return path.is_dir() or path.suffix.lower() in images.EXTENSIONS

    def read(self, paths: Sequence[Path], options: Options) -> Raw:
        """Read every image in ``paths``, which may be folders or files."""
        root = paths[0] if len(paths) == 1 and paths[0].is_dir() else common_parent(paths)
        listed = list_files(paths, root, ignore=options.labels_word)
        files, others = listed.files, listed.others
        if isinstance(options.metadata, str | os.PathLike) and (table := labels_file(os.fspath(options.metadata))):
            # No image, and read all the same.
            others = [file for file in others if (root / file.path).resolve() != table[0].resolve()]
        skipped = [*listed.closed, *others]
        if listed.closed and options.strict:
            raise DataError(
                str(root),
                "has folders that cannot be listed, which strict does not allow",
                remedy=f"{named(listed.closed)}. Make them readable, or leave strict out.",
            )
        if not files:
            raise DataError(
                str(root),
                f"must contain images ({images.READS})",
                value=_what_instead(skipped, listed.passed_over),
                remedy=_hint(root, skipped),
            )
        if options.page == "all":
            files = with_pages(files)
        n_source = len(files)
        chosen = options.choose(n_source)
        positions = np.arange(n_source) if chosen is None else chosen
        (values, decoded), notes = decode_or_recall([files[i] for i in positions], root, options)
        if (wrong := [*decoded.failures, *decoded.damaged]) and options.strict:
            raise DataError(
                out_of(len(wrong), len(positions), "image"),
                "cannot be read, which strict does not allow",
                remedy=f"{named(wrong)}. Repair or remove them, or leave strict out.",
            )
        positions = positions[decoded.positions]
        names = tuple(files[i].name for i in positions)
        found, split, said = from_subfolders(names, [file.name for file in files], options.labels_word)
        labels, label_names = (None, None) if found is None else from_names(found)
        return Raw(
            values,
            labels=labels,
            label_names=label_names,
            label_choices=("folders",),
            preprocessing=_preprocessing(values.shape[1:], decoded, options),
            positions=positions,
            n_source=n_source,
            ids=names,
            paths=tuple(as_text(str(files[i].path)) for i in positions),
            split=split,
            metadata=levels_of(names, (split is not None) + (found is not None)),
            skipped=(*decoded.failures, *skipped),
            damaged=tuple(decoded.damaged),
            notes=(
                *sizes.about_size(decoded.sizes, (values.shape[2], values.shape[3]), options.fit),
                *images.describe(Counter(decoded.conversions)),
                *([decoded.scaled[1]] if decoded.scaled else []),
                *_about_colour(decoded, options),
                *_about_damage(decoded.damaged),
                *about(listed.passed_over),
                *said,
                *notes,
            ),
        )


def _preprocessing(shape: tuple[int, ...], decoded: Decoded, options: Options) -> dict[str, Any]:
    """Return the options that open other files the same way."""
    channels, *size = shape
    how: dict[str, Any] = {
        "size": size,
        "channels": list(options.channels) if isinstance(options.channels, tuple) else channels,
        "fit": options.fit,
    }
    if options.page != 0:
        how["page"] = options.page
    if options.max_pixels != MOST_PIXELS:
        how["max_pixels"] = options.max_pixels
    asked = scale.asked(options.white, options.range)
    if asked is not None:
        # A white that bytes can have was applied to them too: kept as a range, it speaks of bytes.
        return how | (asked._replace(clips=True) if asked.high < 255 else asked).as_options()
    if options.like is not None:
        return how | {name: options.like[name] for name in scale.KEPT if name in options.like}
    return how | (decoded.scaled[0] if decoded.scaled else {})


def _about_colour(decoded: Decoded, options: Options) -> list[str]:
    """Return a sentence where some images alone are in colour, which gives three channels to all."""
    n, some = len(decoded.positions), decoded.in_colour
    if options.channels != "auto" or not 0 < some < n:
        return []
    return [
        f"{some:,} of {n:,} images {'is' if some == 1 else 'are'} in colour, so all were given three channels; "
        "channels=1 makes them all grey."
    ]


def _about_damage(damaged: list[Skipped]) -> list[str]:
    """Return a sentence where files were read that are not whole."""
    if not damaged:
        return []
    n, few = len(damaged), ", ".join(file.path for file in damaged[:MOST_NAMED])
    more = f" and {n - MOST_NAMED:,} more" if n > MOST_NAMED else ""
    how = (
        "image is truncated and was read as far as it goes"
        if n == 1
        else "images are truncated and were read as far as they go"
    )
    return [f"{n:,} {how}: {few}{more}."]


def _what_instead(skipped: list[Skipped], passed_over: Counter[str]) -> str:
    if skipped:
        return plural(len(skipped), "other file")
    return "only system files" if passed_over else "nothing"


def _hint(root: Path, skipped: list[Skipped]) -> str | None:
    convertible = Counter(file.reason for file in skipped if "not read:" in file.reason)
    if convertible:
        ((reason, count),) = convertible.most_common(1)
        return f"{count:,} of them: {reason}."
    data = [
        file.path
        for file in skipped
        if Path(file.path).suffix in (".npy", ".npz", ".mat", ".csv", ".tsv", ".gz", ".parquet")
    ]
    return f"It contains {', '.join(data[:5])}: open one of these, such as {root / data[0]}." if data else None
