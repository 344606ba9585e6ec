import os

import pytest

from narrows.work.cores import cgroup_quota, usable_cores


def system(root, groups, **files):
    """Write what Linux says of a process's cgroups below ``root``; ``files`` by their paths with __ for /."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("cfs", "cpu.cfs").replace("max", "cpu.max")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("groups", "files", "quota"),
    [
        ("0::/\n", {"max": "50000 100000\n"}, 0.5),
        ("0::/\n", {"max": "max 100000\n"}, float("inf")),
        ("0::/\n", {}, float("inf")),
        ("0::/job/step\n", {"job__max": "200000 100000\n", "job__step__max": "max 100000\n"}, 2.0),
        ("0::/job/step\n", {"job__max": "800000 100000\n", "job__step__max": "150000 100000\n"}, 1.5),
        (
            "3:cpu,cpuacct:/docker\n1:memory:/other\n",
            {"cpu__docker__cfs_quota_us": "250000\n", "cpu__docker__cfs_period_us": "100000\n"},
            2.5,
        ),
        ("3:cpu:/\n", {"cpu__cfs_quota_us": "-1\n", "cpu__cfs_period_us": "100000\n"}, float("inf")),
        ("7:memory:/\n", {"cpu__cfs_quota_us": "100\n", "cpu__cfs_period_us": "100\n"}, float("inf")),
    ],
    ids=["half a core", "no limit", "no file", "a parent's", "the smaller", "version 1", "version 1, none", "not ours"],
)
def test_the_quota_of_a_container_is_read(tmp_path, groups, files, quota):
    assert cgroup_quota(system(tmp_path, groups, **files)) == quota


def test_without_cgroups_there_is_no_quota(tmp_path):
    assert cgroup_quota(tmp_path) == float("inf")


@pytest.mark.parametrize(("asked", "cores"), [("3", 3), ("4,2", 4), ("", 64), ("0", 64), ("many", 64)])
def test_omp_num_threads_is_obeyed_where_it_is_a_number(monkeypatch, asked, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert usable_cores() == cores


@pytest.mark.parametrize(("quota", "cores"), [(0.5, 1), (2.0, 2), (2.1, 3), (float("inf"), 64)])
def test_of_64_cores_as_many_are_used_as_the_quota_is_worth(monkeypatch, quota, cores):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    monkeypatch.setattr("narrows.work.cores.cgroup_quota", lambda: quota)
    assert usable_cores() == cores
