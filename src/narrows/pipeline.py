"""The main job on one page: open, train, encode, cluster, project, measure, judge, draw, explore, report.

Each step (a file of ``steps/``) reads what earlier steps wrote and writes its own files. A step whose files are
complete and unchanged is not repeated, so a stopped run continues where it was.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from narrows.data.dataset import Dataset
from narrows.recipes.recipe import Recipe
from narrows.runs import Run
from narrows.runs.making import making
from narrows.steps import Job, in_order
from narrows.work.interrupt import Interrupt
from narrows.work.progress import Progress


def run(
    recipe: Recipe,
    folder: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    interrupt: Interrupt | None = None,
    data: Dataset | None = None,
) -> Run:
    """Do the main job: from the recipe's source to a run folder with a report.

    Parameters
    ----------
    recipe : every setting
    folder : of the run; must not exist, unless ``resume`` (continue it) or ``overwrite`` (replace it)
    progress : shows what is going on; quiet by default
    interrupt : checked during training for a request to stop
    data : the data, if they do not come from ``recipe.data.source``

    Raises
    ------
    DataError, RecipeError, RunFolderError : the user's mistakes
    TrainingError : training diverged
    Interrupted : stopped by a signal; ``resume`` continues
    """
    with making(folder, resume=resume, overwrite=overwrite) as done:
        job = Job(done, recipe, data, progress or Progress(), interrupt or Interrupt())
        steps = {name: step for name, step in in_order().items() if step.wanted(job)}
        done.order = {name: [other for other in step.after if other in steps] for name, step in steps.items()}
        done.untimed = [name for name, step in steps.items() if not step.timed]
        if done.begin(job.recipe.as_dict(), job.recipe.as_toml(), job.fingerprint):
            job.look_ahead(steps)
            for name, step in steps.items():
                began = job.began if name == "open" else None
                done.step(name, partial(job.do, name, step), step.owns(job), began, step.asked(job))
            done.seal()
    return Run(done.folder)
