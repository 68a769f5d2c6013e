"""The layer table: an older net.c is timed step by step, and what is kept of it speaks of today's steps."""

import json

import pytest

from hwflow.bench.layers import BEFORE, NETWORK, count_steps
from hwflow.emit.c_program import make_program
from hwflow.errors import ModelError
from hwflow.generate.nets import NETS

OLD = """static void net_image(const hw_run *run) {
    hw_run_gemm(run, &step0); /* conv0 */
    hw_run_pool(run, &step1); /* a pool */
}
"""


def test_each_step_of_an_older_program_is_counted_once_and_in_order():
    source, names = count_steps(OLD)
    assert names == ["conv0", "a pool"] and "NET_STEPS = 2" in source
    body = source.split("static void net_image")[1]
    assert (
        body.index("HW_BEGIN")
        < body.index("HW_STEP(0, hw_run_gemm(run, &step0)) /* conv0 */")
        < body.index("HW_STEP(1, ")
    )


def test_a_program_without_steps_is_refused():
    with pytest.raises(ModelError, match="has no steps of the form"):
        count_steps("int main(void) { return 0; }")


def test_the_kept_times_are_of_the_steps_of_today():
    kept, now = json.loads(BEFORE.read_text())["us"], {s.name for s in make_program(NETS[NETWORK](1)).steps}
    assert set(kept) == {"avx2", "avx512"} and all(set(steps) == now for steps in kept.values())
    assert all(us > 0 for steps in kept.values() for us in steps.values())
