import platform
import resource

import pytest
import torch

from narrows.work.memory import kept_for_reuse

SIZE, MANY = 4 << 20, 4  # values of float32, and blocks of them: 64 MiB


def page_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [torch.ones(SIZE) for _ in range(MANY)]
    del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_what_is_freed_inside_is_there_for_the_next_and_goes_back_at_the_end():
    with kept_for_reuse():
        assert min(page_faults() for _ in range(6)) < 100  # the first may have to find its place
        with pytest.raises(ZeroDivisionError), kept_for_reuse():
            _ = 1 / 0
        assert page_faults() < 100  # the outer one goes on
    assert page_faults() > 1000
