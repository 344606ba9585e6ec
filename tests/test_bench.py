"""The benchmarks measure what they say, and what they last said stands in the documents."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture(scope="module", autouse=True)
def _importable():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCH))
        yield


def test_a_child_reports_its_own_memory_and_not_that_of_its_parent():
    from children import run

    held = b"1" * (400 << 20)  # by this process
    small = run([sys.executable, "-c", "pass"])
    large = run([sys.executable, "-c", "held = bytearray(300 << 20); held[::4096] = b'1' * len(held[::4096])"])
    assert small.failure is large.failure is None
    assert len(held) > 0
    assert small.peak_mb < 100
    assert large.peak_mb - small.peak_mb == pytest.approx(300, abs=30)


def test_the_memory_of_a_child_is_that_of_its_largest_process():
    from children import run

    inner = "held = bytearray(200 << 20); held[::4096] = b'1' * len(held[::4096])"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}], check=True)"
    assert run([sys.executable, "-c", outer]).peak_mb > 200


def test_a_child_is_stopped_at_its_limit_with_all_that_it_started(tmp_path):
    from children import run

    inner = f"import os, time; open({str(tmp_path / 'inner')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    ended = run([sys.executable, "-c", outer], limit=1.5)
    assert ended.stopped
    assert ended.seconds < 30
    assert ended.failure == "stopped after 2 s"
    number = int((tmp_path / "inner").read_text())
    assert not Path(f"/proc/{number}").exists() or "Z" in Path(f"/proc/{number}/stat").read_text().split()[2]


def test_a_failure_is_the_last_thing_that_was_said():
    from children import run

    ended = run([sys.executable, "-c", "print('so far'); raise ValueError('no such number')"])
    assert (ended.code, ended.said, ended.failure) == (1, "so far\n", "ValueError: no such number (after 0 s)")


def test_a_busy_neighbour_takes_a_core_and_goes():
    import children

    with children.busy() as neighbour:
        time.sleep(0.5)
        ticks = [int(field) for field in Path(f"/proc/{neighbour.pid}/stat").read_text().split()[13:15]]
        assert sum(ticks) > 5  # hundredths of a second
    assert neighbour.poll() is not None


def test_bars():
    from bars import Bar, Line

    seconds, share = Bar(10, 6), Bar(0.5, 0.6, more=True)
    assert [seconds.reached(value) for value in (6, 8, 11)] == ["moonshot met", "met", "NOT met"]
    assert [share.reached(value) for value in (0.6, 0.5, 0.4)] == ["moonshot met", "met", "NOT met"]
    assert [Bar(None).reached(1), seconds.reached(None)] == ["no bar", "not measured"]
    assert Line("s", 20.0, 8.0, seconds).record["better"] == 2.5
    assert Line("share", 0.2, 0.5, share).record["better"] == 2.5
    assert Line("s", 20.0, 5.0, seconds, "accuracy 0.9", held=False).record["verdict"] == "NOT met"


def test_a_version_is_known_by_its_files(tmp_path):
    import versions

    here = versions.here()
    with versions.of("HEAD") as committed:
        assert (committed.source / "narrows" / "pipeline.py").exists()
        assert (committed.contents == here.contents) != here.commit.endswith("+")
        shown = subprocess.run(
            [sys.executable, "-c", "import narrows; print(narrows.__file__)"],
            env=os.environ | committed.environment,
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert shown.startswith(str(committed.source))


def test_the_table_of_whole_jobs_follows_from_what_was_measured():
    import whole

    measured = ((20.0, 0.95), (22.0, 0.94), (50.0, 0.96))
    before = {"seconds": 40.0, "peak_mb": 900.0, "accuracy": 0.96}
    rounds = [{"before": before, "now": {"seconds": s, "peak_mb": 500.0, "accuracy": a}} for s, a in measured]
    first, second = whole.table({"clusters-digits": {"rounds": rounds}})
    assert (first["now"], first["before"], first["verdict"]) == (22.0, 40.0, "met")
    assert second["now"] == 500
    rounds[0]["now"]["accuracy"] = 0.5
    assert whole.table({"clusters-digits": {"rounds": rounds}})[0]["verdict"] == "NOT met"


@pytest.mark.slow
def test_a_job_is_measured_with_both_versions_and_then_kept(tmp_path):
    out = tmp_path / "whole.json"
    command = [sys.executable, BENCH / "whole.py", "--against", "HEAD", "--rows", "cold", "--rounds", "1", "--out", out]
    assert "narrows cluster RUN one.png" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
    kept = json.loads(out.read_text())
    (found,) = kept["rows"]["cold"]["rounds"]
    assert 0.1 < found["before"]["seconds"] / found["now"]["seconds"] < 10
    assert "cold: measured on" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert json.loads(out.read_text()) == kept


def test_what_needs_a_gpu_runs_on_a_processor_at_a_hundredth_of_the_size(tmp_path):
    out = tmp_path / "gpu.json"
    done = subprocess.run(
        ["bash", BENCH / "gpu.sh", "--size", "0.01", "--out", out],
        env=os.environ | {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())
    parts = found["parts"]
    assert list(parts) == ["peak", "loop", "graphs", "road", "encode"]
    assert 0 < parts["peak"]["shares"]["dense"]["share"] < 1
    assert parts["road"]["images"] == 700
    assert parts["road"]["accuracy"] > 0.6
    assert parts["encode"]["rows"] == 10_000
    assert parts["encode"]["difference"] < 1e-4
    assert found["table"] == []  # nothing that stands beside figures of full size


def test_the_page_of_other_libraries_has_the_figures_that_were_measured():
    import peers

    assert peers.PAGE.read_text(encoding="utf-8") == peers.page(json.loads(peers.RESULTS.read_text(encoding="utf-8")))


def test_the_page_of_lanes_has_the_figures_that_were_measured():
    import lanes

    assert lanes.PAGE.read_text(encoding="utf-8") == lanes.page(json.loads(lanes.RESULTS.read_text(encoding="utf-8")))
