"""A recipe: every setting of a run, read from TOML, checked, and written out with all defaults.

Values are checked strictly (a string is not a number), names against their registries, and arguments of a network, an
objective, a clustering or a projection against that entry's own signature, so that a new entry needs no schema.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from narrows.arguments import arguments_of, checked, parsed
from narrows.clustering import methods as clusterings
from narrows.data.places import lasting, lasting_labels
from narrows.disk import regular
from narrows.disk.sealed import Parts
from narrows.encoders import encoders, usual_code_size
from narrows.errors import RecipeError, nearest
from narrows.nets import nets
from narrows.objectives import objectives
from narrows.projection import methods as projections
from narrows.registry import Registry
from narrows.training.settings import Settings

#: Sections without effect, which must not be set, where a clustering trains the network or the encoder is no network.
UNUSED = ("net", "objective", "train")
MAP, MAP_OF_CLUSTERS = "tsne", "umap"  # for codes longer than two values, and for codes made to separate clusters
#: What every entry of a section takes, and what so stays when another is chosen.
SHARED = {"clustering": ("n_clusters",)}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Data(_Section):
    """Where the data come from and how they are split; see ``narrows.open`` for all but ``valid`` and ``test``."""

    source: str = "digits"
    labels: str = "auto"
    key: str | None = None
    size: Literal["auto"] | int | list[int] = "auto"
    channels: Literal["auto"] | int | list[int] = "auto"
    fit: Literal["crop", "pad", "stretch"] = "crop"
    limit: int | None = Field(default=None, ge=1)
    strict: bool = False
    columns: list[str] | None = None
    ignore: list[str] | None = None
    metadata: str | None = None
    white: Literal["auto"] | float = "auto"
    range: list[float] | None = None
    page: Literal["all"] | int | None = None
    max_pixels: int | None = Field(default=None, ge=1)
    valid: float = Field(default=0.1, ge=0, lt=1)
    test: float = Field(default=0.15, ge=0, lt=1)

    def options(self) -> dict[str, Any]:
        """Return what ``narrows.open`` takes besides the source."""
        return self.model_dump(exclude={"source", "valid", "test"})

    def lasting(self) -> Data:
        """Return the same with files and folders by paths that hold from everywhere."""
        places = {"source": lasting(self.source), "labels": lasting_labels(self.labels)}
        if self.metadata not in (None, "none"):
            places["metadata"] = lasting(self.metadata)
        return self.model_copy(update=places)


class Named(BaseModel):
    """An entry of a registry by its name, and its arguments."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    def arguments(self) -> dict[str, Any]:
        """Return everything but the name."""
        return dict(self.model_extra or {})


class Recipe(_Section):
    """Every setting of a run."""

    name: str = Field(default="default", min_length=1)
    description: str = ""
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    data: Data = Data()
    encoder: Named = Named(name="network")
    net: Named = Named(name="auto")
    objective: Named = Named(name="reconstruction")
    train: Settings = Settings()
    clustering: Named = Named(name="kmeans")
    projection: Named = Named(name="auto")

    def map_of(self, size: int) -> Named:
        """Return the projection for codes of ``size`` values, with every default; a code of two is a map already."""
        named = self.projection
        if named.name == "auto":
            named = Named(name="code" if size <= 2 else _usual_map(self.clustering.name))
        return _check_named("projection", projections, named.model_dump(), ("seed",))

    def as_dict(self) -> dict[str, Any]:
        """Return nested plain values of what has an effect; what is None is left out, since TOML has no such thing."""
        # Of a network, which the sections net, objective and train speak of, there is nothing more to say.
        unused = {"encoder"} if self.trains_network else set(UNUSED)
        if clusterings.get(self.clustering.name).trains_network:
            unused = {"encoder", *UNUSED}
        content: dict[str, Any] = _without_none(self.model_dump(exclude=unused))
        return content

    @property
    def trains_network(self) -> bool:
        """Whether the encoder is a network that the training loop trains."""
        return bool(self._encoder().trains_network)

    def _knows_size(self) -> bool:
        return self.trains_network or bool(clusterings.get(self.clustering.name).trains_network)

    def _encoder(self) -> Any:
        _check_known("encoder", self.encoder.name, encoders.names())
        return encoders.get(self.encoder.name)

    def as_toml(self) -> str:
        """Return the recipe as TOML; a comment names each setting that is not set."""
        document = tomlkit.document()
        for name, content in self.as_dict().items():
            if not isinstance(content, dict):
                document.add(name, content)
                continue
            section = tomlkit.table()
            for key, value in content.items():
                section.add(key, value)
            for comment in self._not_set(name):
                section.add(tomlkit.comment(comment))
            section.add(tomlkit.nl())
            document.add(name, section)
        return tomlkit.dumps(document).rstrip() + "\n"

    def _not_set(self, name: str) -> list[str]:
        section = getattr(self, name)
        if name == "net":
            given = section.arguments()
            notes = (
                []
                if "code_size" in given
                else ["code_size is not set: 32, or a quarter of the values where they are few"]
            )
            return notes + (
                ["the other settings are those of the network chosen for the data"] * (section.name == "auto")
            )
        if not isinstance(section, BaseModel):
            return []
        return [f"{key} is not set" for key, value in section.model_dump().items() if value is None]

    def resolve(self, shape: Sequence[int], rows: int) -> Recipe:
        """Fill in every default, and what depends on the data: inputs of ``shape``, and so many ``rows`` to train on.

        ``net.name`` "auto" takes "conv" for images with sides from 8 to 256 and "dense" otherwise; a code size that is
        not given is 32, or a quarter of the values when there are fewer than 128 of them. Files and folders get paths
        that hold from everywhere.
        """
        net = {"name": self.net.name, **self.net.arguments()}
        if net["name"] == "auto":
            is_image = len(shape) == 3 and all(8 <= side <= 256 for side in shape[1:])
            net["name"] = "conv" if is_image else "dense"
        if "code_size" not in net:
            net["code_size"] = usual_code_size(shape)
        epochs, batch_size = self.train.resolve(rows)
        filled = self.with_defaults()
        size = filled.clustering.arguments().get("code_size", net["code_size"])
        return filled.model_copy(
            update={
                "data": self.data.lasting(),
                # A fitted encoder says only once it is fitted how long its codes are.
                "projection": self.map_of(min(size, math.prod(shape))) if filled._knows_size() else filled.projection,
                "train": replace(self.train, epochs=epochs, batch_size=batch_size),
                "net": _check_named("net", nets, net, ("input_shape",)),
            }
        )

    def with_defaults(self) -> Recipe:
        """Check the arguments of encoder, objective, clustering and projection, and fill in those not given."""
        sections: tuple[tuple[str, Registry, tuple[str, ...]], ...] = (
            ("encoder", encoders, self._encoder().given_by_run),
            ("objective", objectives, ("net",)),
            ("clustering", clusterings, ("seed",)),
            ("projection", projections, ("seed",)),
        )
        named = {
            section: _check_named(section, registry, getattr(self, section).model_dump(), given_by_us)
            for section, registry, given_by_us in sections
        }
        return self.model_copy(update=named)


def builtin() -> list[str]:
    """Return the names of the recipes that ship with narrows."""
    folder = resources.files("narrows.recipes")
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))


def load(name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe that ships with narrows (by its name) or a TOML file, and apply overrides.

    Parameters
    ----------
    name : "mnist", or "my-recipe.toml"
    overrides : such as ``["train.epochs=5", "net.name=dense"]``; a value is read as TOML, or as text if it is none

    Raises
    ------
    RecipeError : unknown recipe, key, name or value
    """
    content = read(name)
    _check_once(overrides)
    # A name comes first: with another entry the former one's own arguments go, and with another encoder its network.
    for override in sorted(overrides, key=_rank):
        _apply(content, override)
    return check(content)


def read(name: str | Path) -> dict[str, Any]:
    """Return a recipe's content as written, unchecked."""
    if str(name).endswith(".toml"):
        try:
            content = regular.read(name, most=regular.MOST_SETTINGS, refused=RecipeError)
        except OSError as error:
            raise RecipeError("recipe", "must be a TOML file that can be read", value=str(name)) from error
    else:
        if name not in builtin():
            raise RecipeError(
                "recipe",
                "must be one that ships with narrows, or a .toml file",
                value=str(name),
                remedy=nearest(str(name), builtin()),
            )
        content = resources.files("narrows.recipes").joinpath(f"{name}.toml").read_bytes()
    try:
        return regular.parse_toml(content)
    except ValueError as error:
        raise RecipeError("recipe", "must be valid TOML", value=str(name), remedy=f"{error}.") from error


def data_of(path: Path) -> tuple[Data, int]:
    """Return where the rows of a run come from, and its seed, by its recipe.toml; nothing that it names is called.

    Raises
    ------
    RunFolderError : no such file, or one that is changed or damaged
    RecipeError : settings of data that cannot be
    """
    content = Parts.of(path.parent).toml(path.name)
    try:
        return Data.model_validate(content["data"]), int(content["seed"])
    except (ValidationError, KeyError, TypeError, ValueError) as error:
        raise RecipeError("recipe", "must name the source of the run's data", value=str(path)) from error


def check(content: Mapping[str, Any]) -> Recipe:
    """Return the checked recipe.

    Raises
    ------
    RecipeError : unknown key, name or value, with the nearest valid one
    """
    # Arguments may be set without the name that has a default: --set projection.perplexity=50.
    named = {key: field.default.name for key, field in Recipe.model_fields.items() if isinstance(field.default, Named)}
    if content.get("projection"):
        of_clustering = content.get("clustering")
        chosen = of_clustering.get("name") if isinstance(of_clustering, Mapping) else None
        named["projection"] = _usual_map(chosen or named["clustering"])
    content = dict(content) | {
        key: {"name": name} | content[key] for key, name in named.items() if isinstance(content.get(key), Mapping)
    }
    recipe = parsed(Recipe, content)
    _check_number_of_clusters(recipe.clustering)
    if recipe.net.name != "auto":
        net = _check_named("net", nets, recipe.net.model_dump(), ("input_shape",)).model_dump()
        if "code_size" not in recipe.net.arguments():  # it depends on the rows, and is filled in when these are there
            net.pop("code_size", None)
        recipe = recipe.model_copy(update={"net": Named(**net)})
    recipe = recipe.with_defaults()
    clustering = clusterings.get(recipe.clustering.name)
    if clustering.trains_network:
        _check_unused(
            recipe,
            ("encoder", *UNUSED),
            f"the clustering {recipe.clustering.name} trains its own network",
            "choose another clustering (clustering.name=kmeans)",
        )
    elif not recipe.trains_network:
        _check_unused(
            recipe,
            UNUSED,
            f"the encoder {recipe.encoder.name} trains no network",
            "choose one that does (encoder.name=network)",
        )
        encoders.get(recipe.encoder.name)(**recipe.encoder.arguments())
    # A method refuses what no signature can say, such as no clusters at all: better now than after the training.
    clustering(**recipe.clustering.arguments())
    if recipe.projection.name != "auto":
        projections.get(recipe.projection.name)(**recipe.projection.arguments())
    return recipe


def _check_unused(recipe: Recipe, sections: Sequence[str], why: str, otherwise: str) -> None:
    """Refuse settings in ``sections`` that have no effect, and say why."""
    untouched = Recipe().with_defaults()
    for section in sections:
        own, default = (_plain(getattr(one, section)) for one in (recipe, untouched))
        changed = sorted(
            (key for key in own.keys() | default.keys() if own.get(key) != default.get(key)),
            key=lambda key: (key != "name", key),  # the name says most
        )
        if changed:
            raise RecipeError(
                f"{section}.{changed[0]}",
                f"has no effect: {why}",
                value=own.get(changed[0]),
                remedy=f"Leave it out, or {otherwise}.",
            )


def _plain(section: Any) -> dict[str, Any]:
    return asdict(section) if isinstance(section, Settings) else dict(section.model_dump())


def _check_once(overrides: Sequence[str]) -> None:
    """Refuse a setting that is given twice, or along with the whole section that it is in."""
    keys = [override.partition("=")[0] for override in overrides]
    for i, key in enumerate(keys):
        for j, other in enumerate(keys):
            if i != j and f"{key}.".startswith(f"{other}.") and overrides[i] != overrides[j]:
                both = f"{overrides[min(i, j)]} and {overrides[max(i, j)]}"
                raise RecipeError(key, "must be given once", value=both, remedy="Leave one of them out.")


def _rank(override: str) -> int:
    key = override.partition("=")[0]
    return 0 if key == "encoder.name" else 1 if key.endswith(".name") else 2


def _apply(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(
            "--set", "must have the form KEY=VALUE", value=override, remedy="For example --set train.epochs=5."
        )
    try:
        value = regular.parse_toml(f"value = {text}".encode())["value"]
    except ValueError:
        value = text
    *sections, last = key.split(".")
    target = content
    for section in sections:
        target = target.setdefault(section, {})
        if not isinstance(target, dict):
            raise RecipeError("--set", f"must name a key that exists; {section!r} is a value", value=override)
    # Another entry takes other arguments: those of the one it replaces would be refused, but for what all entries take.
    if last == "name" and sections and target.get("name") not in (None, value):
        shared = {key: target[key] for key in SHARED.get(sections[0], ()) if key in target}
        target.clear()
        target |= shared
    if (key == "encoder.name" and not _trains(encoders, value)) or (
        key == "clustering.name" and _trains(clusterings, value)
    ):
        for section in UNUSED:
            content.pop(section, None)
    target[last] = value


def _check_number_of_clusters(chosen: Named) -> None:
    """Say which clusterings estimate the number of clusters, where another one is asked to."""
    if chosen.arguments().get("n_clusters") == "auto" and not _estimates_number(chosen.name):
        able = [f"clustering.name={name}" for name in clusterings.names() if _estimates_number(name)]
        raise RecipeError(
            "clustering.n_clusters",
            f"must be a whole number where clustering.name is {chosen.name}",
            value="auto",
            remedy=f"To have it estimated, choose {' or '.join(able)}.",
        )


def _estimates_number(clustering: str) -> bool:
    accepted = arguments_of(clusterings.get(clustering), given_by_us=("seed",)).get("n_clusters")
    return accepted is not None and Literal["auto"] in get_args(accepted.annotation)


def _usual_map(clustering: Any) -> str:
    return MAP_OF_CLUSTERS if _trains(clusterings, clustering) else MAP


def _trains(registry: Registry, name: Any) -> bool:
    """Whether an entry trains a network; an encoder that is not known is refused later, and taken to train one here."""
    known = isinstance(name, str) and (":" in name or name in registry.names())
    return bool(registry.get(name).trains_network) if known else registry is encoders


def _check_known(section: str, name: str, known: Collection[str]) -> None:
    """Raise a RecipeError, with the nearest of the ``known`` names, unless ``name`` is one or a path to an object."""
    if ":" not in name and name not in known:
        raise RecipeError(f"{section}.name", "must name a known entry", value=name, remedy=nearest(name, known))


def _check_named(section: str, registry: Registry, named: Mapping[str, Any], ours: tuple[str, ...]) -> Named:
    """Check a section's arguments against the signature of the entry it names, and write its defaults out."""
    given = dict(named)
    name = given.pop("name")
    if registry is projections and name == "auto":
        for key, value in given.items():
            raise RecipeError(
                f"projection.{key}",
                "needs projection.name",
                value=value,
                remedy="Choose a projection, such as projection.name=tsne.",
            )
        return Named(name=name)
    _check_known(section, name, registry.names())
    entry = registry.get(name)
    if registry is objectives and entry.networks is not nets:
        raise RecipeError(
            "objective.name",
            "must name an objective for autoencoders; this one learns from labels",
            value=name,
            remedy="Use it with narrows.Classifier.",
        )
    if registry is objectives and entry.only_in_methods:
        raise RecipeError(
            "objective.name",
            "must name an objective that needs only data; this one is part of a clustering",
            value=name,
            remedy="Use the clustering in narrows.deep that trains with it.",
        )
    return Named(name=name, **checked(entry, given, f"{section}.", given_by_us=ours))


def _without_none(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _without_none(value) for key, value in content.items() if value is not None}
    if isinstance(content, list | tuple):
        return [_without_none(value) for value in content]
    return content
