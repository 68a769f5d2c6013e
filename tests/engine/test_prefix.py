"""Two networks link into one program: each has its own files, names and header guard."""

import shutil
import subprocess

import numpy as np
import pytest

from hwflow.emit.c import emit
from hwflow.errors import RecipeError
from hwflow.generate.nets import random_images, tfc

PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
#include "first.h"
#include "second.h"
#include "first.h"
int main(void) {
    static first_input image[FIRST_INPUTS];
    static first_output a[FIRST_OUTPUTS];
    static second_output b[SECOND_OUTPUTS];
    void *fa = malloc(first_arranged_bytes() + 1), *fs = malloc(first_scratch_bytes());
    void *sa = malloc(second_arranged_bytes() + 1), *ss = malloc(second_scratch_bytes());
    int i;
    first_arrange(fa);
    second_arrange(sa);
    while (fread(image, sizeof *image, FIRST_INPUTS, stdin) == FIRST_INPUTS) {
        first_run(fa, fs, image, a, 1);
        second_run(sa, ss, image, b, 1);
        for (i = 0; i < FIRST_OUTPUTS; i++) printf("%d ", a[i]);
        for (i = 0; i < SECOND_OUTPUTS; i++) printf("%d ", b[i]);
        printf("%d %d\\n", first_label(a), second_label(b));
    }
    return 0;
}
"""


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc: apt install gcc")
def test_two_networks_answer_in_one_program(tmp_path):
    nets = {"first": tfc(3), "second": tfc(4)}
    for prefix, net in nets.items():
        assert {p.name for p in emit(net, tmp_path, prefix)} == {"Makefile", "main.c", f"{prefix}.c", f"{prefix}.h"}
    (tmp_path / "both.c").write_text(PROGRAM)
    command = ["gcc", "-O0", "-Wall", "-Wextra", "-Werror", "-DHW_PLAIN", "-o", "both", "both.c", "first.c", "second.c"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    x = random_images(nets["first"], 10)
    done = subprocess.run([tmp_path / "both"], input=x.astype(np.uint8).tobytes(), capture_output=True, check=True)
    got = np.array([[int(v) for v in line.split()] for line in done.stdout.splitlines()])
    wants = [net.run(x) for net in nets.values()]
    labels = [net.labels(w)[:, None] for net, w in zip(nets.values(), wants, strict=True)]
    assert (got == np.concatenate([*wants, *labels], 1)).all()


def test_a_renamed_network_builds_by_its_own_makefile(tmp_path):
    emit(tfc(3), tmp_path, "digits")
    text = (tmp_path / "Makefile").read_text()
    assert "digits.c" in text and "net.c" not in text
    assert '#include "digits.h"' in (tmp_path / "main.c").read_text()


@pytest.mark.parametrize("prefix", ["", "3d", "Two Words", "a-b", "Net"])
def test_a_prefix_that_is_no_c_name_is_refused(prefix, tmp_path):
    with pytest.raises(RecipeError, match="must be a C name in lower case"):
        emit(tfc(3), tmp_path, prefix)
