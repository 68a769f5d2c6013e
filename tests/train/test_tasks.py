"""Tasks beside labels: scenes, folders with boxes and masks, what cells should answer, and training on them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from hwflow.errors import RecipeError
from hwflow.tasks.boxes import NONE, decode
from hwflow.train import load_recipe, train
from hwflow.train.data import load
from hwflow.train.scenes import KINDS, compose
from hwflow.train.tasks import LARGE, SIZES, TASKS, targets


@pytest.fixture(scope="module")
def scenes():
    return compose(load("digits")[1], KINDS["digits"], 40, 5)


def test_a_scene_follows_from_its_seed(scenes):
    again = compose(load("digits")[1], KINDS["digits"], 40, 5)
    assert np.array_equal(scenes.x, again.x) and np.array_equal(scenes.boxes, again.boxes)
    assert not np.array_equal(scenes.x, compose(load("digits")[1], KINDS["digits"], 40, 6).x)


def test_boxes_enclose_the_masks_of_their_digits(scenes):
    sizes = set()
    for mask, rows in zip(scenes.masks, scenes.boxes, strict=True):
        inside = np.zeros_like(mask, bool)
        there = rows[rows[:, 4] != NONE]
        assert 1 <= len(there) <= KINDS["digits"].most
        for x0, y0, x1, y1, label in there:
            inside[y0:y1, x0:x1] = True
            assert (mask[y0:y1, x0:x1] == label + 1).any()
            sizes.add(max(x1 - x0, y1 - y0) >= LARGE)
        assert (mask[~inside] == 0).all()
    assert sizes == {False, True}  # both scales of a detector have work


def test_cells_that_answer_their_targets_give_the_boxes_back(scenes):
    boxes = torch.tensor(scenes.boxes)
    height, width = scenes.x.shape[1:3]
    wanted = [targets(boxes, height // s, width // s, s, i) for i, s in enumerate(SIZES)]
    exact = 0
    for i, rows in enumerate(scenes.boxes):
        maps = []
        for classes, far in wanted:
            scores = torch.nn.functional.one_hot(classes[i], 11).permute(2, 0, 1) * 20.0
            maps += [scores.numpy(), far[i].numpy()]
        found = {
            (*np.rint(b).astype(int).tolist(), int(c))
            for b, c in zip(*[decode(maps, SIZES).__dict__[k] for k in ("boxes", "classes")], strict=True)
        }
        want = {tuple(r) for r in rows.tolist() if r[4] != NONE}
        assert found <= want
        exact += found == want
    assert exact >= 36  # two digits of one scale may share their only cell


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["models/unet.py:unet-digits", "models/detector.py:detector-digits"])
def test_a_network_of_maps_trains_and_its_score_is_the_tasks(spec):
    from hwflow.train.loop import measure

    recipe = load_recipe(spec)
    metrics = measure(
        replace(recipe, training=replace(recipe.training, epochs=1, limit=64, batch=32, evaluate_every=1))
    )
    (row,) = metrics["history"]
    assert 0 <= row["accuracy"] < 1 and 0 <= row["train_accuracy"] <= 1 and np.isfinite(row["loss"])
    assert {layer["kind"] for layer in row["layers"]} == {"weight", "act"}


def test_what_moves_images_alone_is_refused_where_places_matter(tmp_path):
    recipe = load_recipe("models/unet.py:unet-digits")
    with pytest.raises(RecipeError, match="augmentation would move images and not what they show"):
        train(replace(recipe, training=replace(recipe.training, augment=("flip",))), tmp_path, progress=False)
    with pytest.raises(RecipeError, match="task: must be one of classify, segment, detect, not 'draw'"):
        train(replace(recipe, task="draw"), tmp_path, progress=False)
    assert list(TASKS) == ["classify", "segment", "detect"]


def picture(path, size=(20, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (9, 8, 7)).save(path)


def test_a_folder_of_pascal_voc_gives_scaled_boxes(tmp_path):
    for name, split in (("a", "train"), ("b", "val")):
        picture(tmp_path / "JPEGImages" / f"{name}.jpg")
        (tmp_path / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
        (tmp_path / "ImageSets" / "Main" / f"{split}.txt").write_text(f"{name}\n")
        (tmp_path / "Annotations").mkdir(exist_ok=True)
        box = "<bndbox><xmin>5</xmin><ymin>0</ymin><xmax>10</xmax><ymax>5</ymax></bndbox>"
        (tmp_path / "Annotations" / f"{name}.xml").write_text(
            f"<annotation><object><name>cat-{name}</name>{box}</object></annotation>"
        )
    first, second = load(f"boxes:voc:{tmp_path}@40")
    assert first.x.shape == (1, 40, 40, 3)
    assert first.y.tolist() == [[[10, 0, 20, 20, 0]]] and second.y.tolist() == [[[10, 0, 20, 20, 1]]]
    (tmp_path / "Annotations" / "a.xml").write_text("<annotation><object></object></annotation>")
    load.cache_clear()
    with pytest.raises(RecipeError, match="is no annotation of Pascal VOC"):
        load(f"boxes:voc:{tmp_path}@40")


def test_a_folder_of_coco_gives_scaled_boxes(tmp_path):
    for split in ("train2017", "val2017"):
        picture(tmp_path / split / "a.png")
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / "annotations" / f"instances_{split}.json").write_text(json.dumps({
            "images": [{"id": 7, "file_name": "a.png"}], "categories": [{"id": 30, "name": "x"}, {"id": 4, "name": "y"}],
            "annotations": [{"image_id": 7, "category_id": 30, "bbox": [5, 0, 5, 5]}],
        }))  # fmt: skip
    first, _ = load(f"boxes:coco:{tmp_path}@40")
    assert first.y.tolist() == [[[10, 0, 20, 20, 1]]]


def test_a_folder_of_images_and_masks_keeps_the_classes_of_pixels(tmp_path):
    for split in ("train", "test"):
        picture(tmp_path / split / "images" / "a.png")
        (tmp_path / split / "masks").mkdir()
        mask = np.zeros((10, 20), np.uint8)
        mask[:5] = 3
        Image.fromarray(mask).save(tmp_path / split / "masks" / "a.png")
    first, _ = load(f"masks:folder:{tmp_path}@20")
    assert first.y.shape == (1, 20, 20) and (first.y[0, :10] == 3).all() and (first.y[0, 10:] == 0).all()
    (tmp_path / "test" / "masks" / "a.png").unlink()
    load.cache_clear()
    with pytest.raises(RecipeError, match=r"holds no mask for a\.png"):
        load(f"masks:folder:{tmp_path}@20")


@pytest.mark.parametrize("name", ["boxes:nothing", "masks:voc:x", "boxes:voc:/nowhere", "masks:folder:.@big"])
def test_an_unknown_source_of_scenes_is_one_line(name):
    with pytest.raises(RecipeError, match="data: "):
        load(name)
