import threading
import time

import numpy as np
import pytest
import threadpoolctl
import torch

from narrows.work.threads import Workers, one_thread, shared_out, single_threaded


@pytest.fixture
def three_cores(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")


@pytest.fixture
def four_threads():
    """Let torch and BLAS have four threads outside, as on a machine of four cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    with threadpoolctl.threadpool_limits(4):
        yield
    torch.set_num_threads(before)


def threads_of_libraries():
    return {torch.get_num_threads(), *(library["num_threads"] for library in threadpoolctl.threadpool_info())}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_come_in_the_order_of_the_pieces(count):
    def work(number):
        time.sleep(0.002 * (5 - number % 5))
        return number, threading.get_ident()

    with Workers(count) as workers:
        found = list(workers.map(work, range(20)))
    assert [number for number, _ in found] == list(range(20))
    names = {name for _, name in found}
    assert len(names) <= count
    assert (threading.get_ident() in names) == (count == 1)


def test_there_is_a_worker_for_each_core_and_inside_a_worker_only_itself(three_cores):
    with Workers() as workers:
        assert workers.count == 3
        assert set(workers.map(lambda _: Workers().count, range(6))) == {1}
    assert list(shared_out(lambda number: list(shared_out(abs, [-number])), range(4))) == [[0], [1], [2], [3]]


def test_few_pieces_are_begun_ahead(three_cores):
    begun = []
    results = shared_out(begun.append, range(1000))
    for _ in range(3):
        next(results)
    assert len(begun) <= 3 + 2 * 3 + 1
    results.close()
    assert len(begun) < 20


@pytest.mark.parametrize("count", [1, 3])
def test_what_a_piece_raises_is_raised_where_its_result_would_be(count):
    def work(number):
        if number == 2:
            raise KeyError(number)
        return number

    found = []
    with Workers(count) as workers, pytest.raises(KeyError):
        for number in workers.map(work, range(9)):
            found.append(number)
    assert found == [0, 1]


def test_one_thread_holds_inside_and_what_was_outside_is_restored(four_threads):
    outside = threads_of_libraries()
    assert 4 in outside
    with one_thread():
        assert threads_of_libraries() == {1}
        with one_thread():
            np.ones((50, 50)) @ np.ones((50, 50))
        assert threads_of_libraries() == {1}
    assert threads_of_libraries() == outside
    assert single_threaded(threads_of_libraries)() == {1}
    assert threads_of_libraries() == outside
    with pytest.raises(ZeroDivisionError), one_thread():
        _ = 1 / 0
    assert threads_of_libraries() == outside


def test_workers_have_one_thread_each_and_leave_the_caller_his(four_threads, three_cores):
    outside = threads_of_libraries()
    assert set.union(*shared_out(lambda _: threads_of_libraries(), range(6))) == {1}
    assert threads_of_libraries() == outside


def test_the_last_of_several_callers_restores_what_the_first_found(four_threads):
    outside, entered, leave = threads_of_libraries(), threading.Event(), threading.Event()

    def other():
        with one_thread():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    entered.wait(10)
    with one_thread():
        leave.set()
        thread.join(10)
        assert threads_of_libraries() == {1}
    assert threads_of_libraries() == outside


def test_results_that_another_thread_drops_leave_the_caller_free_again(four_threads, three_cores):
    outside = threads_of_libraries()
    results = shared_out(abs, range(50))
    next(results)
    thread = threading.Thread(target=results.close)
    thread.start()
    thread.join(10)
    with one_thread():
        assert threads_of_libraries() == {1}
    assert threads_of_libraries() == outside


def test_a_library_loaded_inside_is_limited_by_who_enters_after_its_import(four_threads):
    class Late:
        user_api, filepath, threads = "blas", "late", 4

        def get_num_threads(self):
            return self.threads

        def set_num_threads(self, threads):
            self.threads = threads

    late = Late()
    with pytest.MonkeyPatch.context() as patch, one_thread():
        found = threadpoolctl.ThreadpoolController().lib_controllers
        patch.setattr(threadpoolctl, "ThreadpoolController", lambda: type("", (), {"lib_controllers": [*found, late]}))
        patch.setitem(__import__("sys").modules, "a module that loads it", threading)
        with one_thread():
            assert late.threads == 1
        assert late.threads == 1
    assert late.threads == 4
