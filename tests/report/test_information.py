"""The information page of a run: every quantity that a history holds is drawn, and nothing that it does not."""

import re

from hwflow import flow
from hwflow.report.information import PICTURES, information_page
from hwflow.report.svg import heat


def row(epoch: int, **more) -> dict:
    layer = {
        "entropy": 0.9 + epoch / 100,
        "updatable": 0.5,
        "gradient_error": 0.7,
        "gradient": 1e-5,
        "sharpness": 0.1 * epoch,
    }
    layers = [{"name": "0", "kind": "weight", **layer}, {"name": "1<", "kind": "act", **layer}]
    return {"epoch": epoch, "loss": 1 / epoch, "train_accuracy": 0.5, "accuracy": 0.4, "layers": layers, **more}


def test_every_quantity_of_every_kind_of_layer_is_drawn():
    page = information_page({"name": "a", "history": [row(1), row(2)]})
    for title, _ in PICTURES.values():
        assert f"{title}, weights" in page and f"{title}, activations" in page
    assert "1&lt;" in page and "1<," not in page
    assert "twin" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")  # offline


def test_distances_to_the_twin_are_drawn_where_there_is_one():
    page = information_page({"name": "a", "history": [row(1, distances=[0.5, 0.25])]})
    assert "norm 1, epoch 1: 0.25" in page


def test_a_run_without_layers_has_curves_alone_and_a_name_is_text():
    page = information_page({"name": "<script>", "history": [{"epoch": 1, "loss": 2.0, "train_accuracy": 0.1}]})
    assert "<script>" not in page and "loss over epochs" in page and "entropy" not in page
    assert "<figure>" not in information_page({"name": "none"})


def test_a_cell_is_as_full_as_its_value_is_great():
    cells = re.findall(
        r'fill-opacity="([0-9.]+)"><title>(.*?)<', heat("t", ["a", "b"], ["x", "y"], [[0, 4], [None, 2]])
    )
    assert cells == [("0.08", "a, x: 0"), ("1.00", "a, y: 4"), ("0.54", "b, y: 2")]


def test_a_training_writes_its_page_and_a_twin_is_measured(tmp_path):
    folder, metrics = flow.train(
        "mlp:digits", tmp_path / "run", epochs=1, progress=False, limit=200, rbd=0.5, teacher_epochs=1
    )
    (last,) = metrics["history"]
    assert len(last["distances"]) == 3 and all(0 < d < 2 for d in last["distances"])
    assert "distance to the full-precision twin" in (folder / "information.html").read_text()
