"""Do many runs of studies at once on a machine with many cores or a GPU; ``narrows study`` does them one by one.

    python bench/study_at_once.py OUT --workers 14 fashion-autoencoders:denoising fashion-autoencoders:unfrozen-20

Each run is done with all its seeds (or those of ``--seeds``), each as a task; STUDY:RUN:SEED names a single one. Runs
that a run continues from must be named too. Tasks start in the given order, as soon as the runs they continue from are
done. Outcomes are in OUT/STUDY, like those of ``narrows study STUDY --out OUT/STUDY``, which can continue there
(``--resume``), summarise and keep them.
"""

import argparse
import os
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path

Task = tuple[str, str, int]  # study, run, seed


def do(task: Task, out: Path) -> float:
    """Do one run with one seed, unless it is done, and return the seconds it took."""
    from narrows.studies import study as studies
    from narrows.studies.summing import steps_of
    from narrows.work.interrupt import Interrupt

    name, run, seed = task
    row = next(row for row in studies.load(name).run if row.name == run)
    return studies.do(steps_of(out / name), row, seed, quick=False, interrupt=Interrupt())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", nargs="+", metavar="STUDY:RUN[:SEED]", help="a run with a sweep stands for all of it")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seeds", type=int, help="the most seeds of each run")
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # cores are divided among the runs, not used within a run

    from narrows.disk.files import write_json
    from narrows.studies import study as studies

    waiting: list[tuple[Task, set[Task]]] = []
    for text in chosen.runs:
        name, wanted, *seeds = text.split(":")
        study = studies.load(name)
        (chosen.out / name).mkdir(parents=True, exist_ok=True)
        write_json(chosen.out / name / "study.json", {"study": name, "quick": False})
        counts = {row.name: row.seeds or study.seeds for row in study.run}
        for row in study.run:
            if row.name == wanted or row.name.startswith(f"{wanted}["):
                count = counts[row.name]
                for seed in map(int, seeds) if seeds else range(min(count, chosen.seeds or count)):
                    # A run with fewer seeds is continued from with its first seed.
                    needs = {(name, before, seed if seed < counts[before] else 0) for before in row.follows}
                    waiting.append(((name, row.name, seed), needs))
    begun, total = time.perf_counter(), len(waiting)
    done: set[Task] = set()
    running: dict[Future[float], Task] = {}
    with ProcessPoolExecutor(chosen.workers, mp_context=get_context("spawn")) as pool:
        while waiting or running:
            ready = [pair for pair in waiting if pair[1] <= done]
            for task, needs in ready[: chosen.workers - len(running)]:
                running[pool.submit(do, task, chosen.out)] = task
                waiting.remove((task, needs))
            if not running:
                sys.exit(f"the runs that these continue from were not named: {sorted(task for task, _ in waiting)}")
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task = running.pop(future)
                seconds = future.result()
                done.add(task)
                clock = time.perf_counter() - begun
                print(f"{clock:6.0f} s  [{len(done)}/{total}] {':'.join(map(str, task))}  {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
