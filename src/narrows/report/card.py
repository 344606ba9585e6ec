"""The model card: the README.md of a run folder."""

from __future__ import annotations

from narrows.disk.files import write_text
from narrows.report.findings import find
from narrows.report.numbers import number
from narrows.report.verdict import verdict
from narrows.runs import Run
from narrows.wording import figure


def write(run: Run) -> None:
    """Write README.md: what the model is, how good it is, what it was trained on, and how to use it."""
    results, tables, recipe = run.results, run.tables, run.recipe
    encoder = run.encoder()  # a clustering may have trained another network than the recipe's
    shape = " x ".join(str(side) for side in tables["data"]["shape"])
    shown = (
        "reconstruction/psnr",
        "reconstruction/pca_psnr",
        "reconstruction/explained",
        "clustering/accuracy",
        "clustering/silhouette",
        "probe/linear_accuracy",
        "projection/trustworthiness",
    )
    found = find(results, tables)
    idle = {"clustering/silhouette"} if found.parts_clusters else set()  # what shows little without a word beside it
    if found.decoder_rows == "all":
        idle.add("reconstruction/pca_psnr")
    rows = [
        f"| {name} | {figure(value)} |"
        for name in shown
        if name not in idle and (value := number(results, name)) is not None
    ]
    text = f"""# {tables["name"]}

{" ".join(verdict(results, tables))}

{encoder.describe()} on {tables["data"]["kind"]} of {shape}
from `{tables["data"]["source"]}`, seed {recipe["seed"]}.

| figure | value |
|---|---|
{chr(10).join(rows)}

Every setting is in `recipe.toml`, every figure in `results.json`, everything to look at in `report.html`.

```python
import narrows

run = narrows.Run("{run.folder.name}")
images = run.open_source("path/to/new/images")
clusters, confidence, novelty = run.assign(images)  # novelty near 0: unlike what was fitted, however confident
```

```
narrows encode {run.folder.name} path/to/new/images --out codes.npy
narrows cluster {run.folder.name} path/to/new/images --out clusters.csv
```
"""
    write_text(run.folder / "README.md", text)
