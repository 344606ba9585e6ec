import json
import os
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

from narrows.errors import InputError, RunFolderError
from narrows.explorer.edits import EditLog, check, replay

FOUND = np.array([0, 0, 1, 1, 2, 2])


@pytest.fixture
def log(tmp_path):
    log = EditLog(tmp_path, "run", FOUND)
    yield log
    log.close()


def reopened(log):
    log.close()
    return EditLog(log.path.parent, "run", FOUND)


def test_moves_names_and_confirmations_are_replayed_in_order(log):
    log.append({"what": "first", "move": [{"to": 2, "rows": [0, 2]}], "names": {"2": "shoes"}, "confirm": [0]})
    log.append({"move": [{"to": 1, "rows": [0]}], "names": {"2": "boots", "1": "hats"}})
    state = log.state()
    assert state.clusters.tolist() == [1, 0, 2, 1, 2, 2]
    assert state.names == {1: "hats", 2: "boots"}
    assert state.confirmed.tolist() == [True, False, False, False, False, False]
    assert [state.name(cluster) for cluster in (0, 1)] == ["cluster 0", "hats"]


def test_undo_and_redo_go_back_and_forth_and_a_new_edit_ends_redoing(log):
    one, two, three = ({"move": [{"to": to, "rows": [0]}]} for to in (3, 4, 5))
    undo, redo = {"undo": True}, {"redo": True}
    for edits, expected in [
        ([one], 3),
        ([one, undo], 0),
        ([one, undo, redo], 3),
        ([one, two, undo], 3),
        ([one, two, undo, three, redo], 5),
        ([undo, redo, one], 3),
        ([one, two, undo, undo, undo, redo, redo, redo], 4),
    ]:
        assert replay(FOUND, edits).clusters[0] == expected, edits
    assert replay(FOUND, [one, undo]).clusters.tolist() == FOUND.tolist()


def test_what_was_acknowledged_is_there_after_reopening(log):
    for row in range(6):
        assert log.append({"move": [{"to": 7, "rows": [row]}]}) == row + 1
    again = reopened(log)
    assert (again.state().clusters == 7).all()
    assert len(again.edits) == 6
    again.close()


@pytest.mark.parametrize("torn", [1, 5, 40])
def test_a_torn_last_line_is_cut_off_and_the_rest_stays(log, torn):
    log.append({"names": {"0": "kept"}})
    whole = log.path.read_bytes()
    log.append({"names": {"0": "torn"}})
    log.path.write_bytes(log.path.read_bytes()[: len(whole) + torn])
    again = reopened(log)
    assert again.state().names == {0: "kept"}
    assert log.path.read_bytes() == whole
    assert again.append({"names": {"1": "next"}}) == 2
    again.close()


def test_damage_before_the_last_line_is_refused_and_nothing_is_lost(log):
    log.append({"names": {"0": "a"}})
    log.append({"names": {"0": "b"}})
    log.close()
    lines = log.path.read_text().splitlines(keepends=True)
    for broken in ([lines[0], lines[2]], [lines[0], "{}\n", lines[2]], [lines[1]], ["not json\n", *lines[1:]]):
        log.path.write_text("".join(broken))
        with pytest.raises(RunFolderError, match="complete log of edits"):
            EditLog(log.path.parent, "run", FOUND)
        assert log.path.read_text() == "".join(broken)


def test_edits_of_other_clusters_are_refused(log):
    log.append({"names": {"0": "a"}})
    log.close()
    with pytest.raises(RunFolderError, match="current clusters"):
        EditLog(log.path.parent, "another run", FOUND)


def test_a_second_explorer_is_kept_out(log):
    with pytest.raises(RunFolderError, match="another explorer"):
        EditLog(log.path.parent, "run", FOUND)


@pytest.mark.parametrize(
    "edit",
    [
        {},
        [],
        "x",
        None,
        {"move": 3},
        {"unknown": 1},
        {"move": [{"to": 1}]},
        {"move": [{"to": -1, "rows": [0]}]},
        {"move": [{"to": 1, "rows": [6]}]},
        {"move": [{"to": 1, "rows": [True]}]},
        {"move": [{"to": 1.5, "rows": [0]}]},
        {"move": [{"to": 10_000, "rows": [0]}]},
        {"names": {"x": "a"}},
        {"names": {"-1": "a"}},
        {"names": {"1": 5}},
        {"names": {"1": "a" * 201}},
        {"names": {"1": "line\nbreak"}},
        {"confirm": [-1]},
        {"confirm": "all"},
        {"names": {"1": "\ud83d"}},
        {"names": {"9" * 5000: "a"}},
        {"undo": True, "confirm": []},
        {"undo": 1.5},
        {"redo": False},
        {"what": 3},
    ],
)
def test_what_is_no_edit_is_refused_and_not_written(log, edit):
    before = log.path.read_bytes()
    with pytest.raises(InputError, match="edit"):
        log.append(edit)
    assert log.path.read_bytes() == before
    assert log.edits == []


def test_a_full_disk_leaves_the_log_as_it_was(log, monkeypatch):
    log.append({"names": {"0": "kept"}})
    before = log.path.read_bytes()
    real = os.write

    def half(descriptor, content):
        if bytes(content).startswith(b'{"n":'):
            return real(descriptor, bytes(content)[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space"):
        log.append({"names": {"0": "lost"}})
    monkeypatch.undo()
    assert log.path.read_bytes() == before
    assert log.state().names == {0: "kept"}


def test_an_edit_is_on_the_disk_before_it_is_acknowledged(log, monkeypatch):
    flushed = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (real(descriptor), flushed.append(log.path.read_text())))
    log.append({"names": {"0": "kept"}})
    assert '"kept"' in flushed[-1]


def test_a_log_that_is_taken_away_is_not_begun_in_the_middle(log):
    log.path.unlink()
    with pytest.raises(OSError, match="No such file"):
        log.append({"names": {"0": "lost"}})


def test_another_run_is_looked_at_without_its_lock(log):
    log.append({"names": {"0": "kept"}})
    other = EditLog(log.path.parent, "run", FOUND, read_only=True)
    assert other.state().names == {0: "kept"}


WRITER = """
import sys, numpy as np
from narrows.explorer.edits import EditLog
log = EditLog(__import__("pathlib").Path(sys.argv[1]), "run", np.zeros(1000, int))
print("ready", len(log.edits), flush=True)
n = len(log.edits)
while True:
    n = log.append({"move": [{"to": n % 97, "rows": list(range(n % 50, 900))}]})
    print(n, flush=True)  # the acknowledgement
"""


def kills(folder, times, seed):
    """Kill a writer repeatedly in the middle of its edits; return how many were acknowledged."""
    rng = np.random.default_rng(seed)
    acknowledged = 0
    for _ in range(times):
        writer = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout.readline().startswith("ready")
        timer = threading.Timer(float(rng.uniform(0.002, 0.06)), writer.send_signal, [signal.SIGKILL])
        timer.start()
        numbers = [int(line) for line in writer.stdout.read().split("\n") if line.strip().isdigit()]
        writer.wait()
        acknowledged = max([acknowledged, *numbers[:-1], *numbers[-1:]])
        log = EditLog(folder, "run", np.zeros(1000, int))
        assert len(log.edits) >= acknowledged
        for n, edit in enumerate(log.edits):
            assert edit == {"move": [{"to": n % 97, "rows": list(range(n % 50, 900))}]}
        log.close()
    return acknowledged


def test_no_acknowledged_edit_is_lost_when_the_writer_is_killed(tmp_path):
    assert kills(tmp_path, 5, seed=0) > 0


@pytest.mark.slow
def test_no_acknowledged_edit_is_lost_in_a_hundred_kills(tmp_path):
    assert kills(tmp_path, 100, seed=1) > 100


def test_every_line_can_be_read_by_another_program(log):
    log.append({"what": "Named “a”", "names": {"3": "ä <b>"}})
    first, second = (json.loads(line) for line in log.path.read_text().splitlines())
    assert first == {"format": 1, "run": "run"}
    assert second["edit"]["names"] == {"3": "ä <b>"}
    assert check(second["edit"], 6) == second["edit"]
    assert log.path.name == "edits.jsonl"


@pytest.mark.parametrize("content", [b"one line without its end", b"a line\n\x00\x01binary\x02", b""])
def test_what_is_no_log_is_neither_cut_nor_followed(content, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(content)
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "edits.jsonl").symlink_to(victim)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "edits.jsonl").write_bytes(content)
    for folder, words in (("linked", "not a link, pipe or device"), ("own", "must be a complete log of edits")):
        for read_only in (False, True):
            with pytest.raises(RunFolderError, match=words):
                EditLog(tmp_path / folder, "run", FOUND, read_only=read_only)
    assert victim.read_bytes() == (tmp_path / "own" / "edits.jsonl").read_bytes() == content
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "pipe.jsonl").rename(tmp_path / "edits.jsonl")
    with pytest.raises(RunFolderError, match="not a link, pipe or device"):
        EditLog(tmp_path, "run", FOUND)


def test_a_log_that_became_a_link_is_not_written_through(log, tmp_path):
    log.append({"names": {"0": "mine"}})
    log.path.rename(tmp_path / "elsewhere")
    log.path.symlink_to(tmp_path / "elsewhere")
    before = (tmp_path / "elsewhere").read_bytes()
    with pytest.raises(OSError, match=r"edits\.jsonl"):
        log.append({"names": {"0": "theirs"}})
    assert (tmp_path / "elsewhere").read_bytes() == before
