"""Toy data sets and their scores by pycocotools 2.0.11 and lvis 0.5.3: COCO's and LVIS's measures.

    pip install pycocotools lvis
    python scripts/oracles/coco_eval.py     # writes test/fixtures/coco_eval/{coco,lvis}.json

The pictures are random, and drawn so that the rules that are easy to miss decide: crowds, objects
that do not count, equal scores, objects in one place, masks smaller than boxes, boxes of no area,
objects at the edges of the area ranges, pictures and categories without objects, and more
detections than count.
"""

import contextlib
import copy
import io
import json
import pathlib
import tempfile

import numpy as np
from lvis import LVIS, LVISEval, LVISResults
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

FOLDER = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "coco_eval"
WIDTH, HEIGHT = 640, 480
IMAGES, CATEGORIES = 30, 12
WITHOUT_OBJECTS = 2
AREAS = {"": 0, "s": 1, "m": 2, "l": 3}
IOU_50, IOU_75 = 0, 5


class Toy:
    """A data set and results for it; `crowded` detections are put into its first picture."""

    def __init__(self, seed, crowded):
        self.rng = np.random.default_rng(seed)
        self.images = [
            {"id": int(id), "width": WIDTH, "height": HEIGHT}
            for id in self.rng.choice(1000, IMAGES, replace=False)
        ]
        self.categories = [
            {"id": int(id), "name": f"kind {id}"}
            for id in self.rng.choice(90, CATEGORIES, replace=False)
        ]
        self.with_objects = [row["id"] for row in self.categories[WITHOUT_OBJECTS:]]
        self.annotations, self.results = [], []
        # Every fifth picture has no object; the first one has some for its many detections.
        for index, image in enumerate(self.images):
            for _ in range(0 if index % 5 == 1 else self.rng.integers(1, 7)):
                self.add_object(image["id"])
            for _ in range(self.rng.integers(0, 8)):
                self.add_result(image["id"], self.any_category(), self.box())
        self.crowd_in(self.images[0]["id"], crowded)
        self.rng.shuffle(self.results)

    def any_category(self):
        return self.categories[self.rng.integers(CATEGORIES)]["id"]

    def box(self):
        """A box of whole pixels, with sides from 4 to 400: overlaps are equal at times."""
        width, height = np.exp(self.rng.uniform(np.log(4), np.log(400), 2)).astype(int)
        x, y = self.rng.integers(0, [WIDTH - width, HEIGHT - height])
        return [int(x), int(y), int(width), int(height)]

    def jittered(self, box):
        scale = self.rng.choice([0, 0.05, 0.15])
        x, y, width, height = box
        offsets = self.rng.normal(0, scale, 4) * [width, height, width, height]
        return [round(value, 2) for value in (np.array(box) + offsets).clip(0.5).tolist()]

    def add_object(self, image_id):
        box = self.box()
        # 32 x 32 and 96 x 96 lie on the edge of two ranges.
        side = self.rng.choice([0, 32, 96], p=[0.8, 0.1, 0.1])
        if side > 0:
            box[2:] = [int(side)] * 2
        area = box[2] * box[3] * (1 if side > 0 else self.rng.choice([0.55, 0.8, 1]))
        category = int(self.rng.choice(self.with_objects))
        annotation = {
            "id": len(self.annotations) + 1,
            "image_id": image_id,
            "category_id": category,
            "bbox": box,
            "area": round(float(area), 1),
            "iscrowd": int(self.rng.random() < 0.1),
            "ignore": int(self.rng.random() < 0.1),
        }
        self.annotations.append(annotation)
        if self.rng.random() < 0.2:
            self.add_twin(annotation)
        for _ in range(self.rng.integers(0, 5)):
            wrong = self.rng.random() < 0.15
            called = self.any_category() if wrong else category
            self.add_result(image_id, called, self.jittered(box))

    def add_twin(self, annotation):
        """Another object in nearly the same place, where one of the two often does not count."""
        box = self.jittered(annotation["bbox"])
        unlike = 1 - annotation["iscrowd"] if self.rng.random() < 0.7 else annotation["iscrowd"]
        twin = {"id": len(self.annotations) + 1, "bbox": box, "iscrowd": unlike, "ignore": unlike}
        self.annotations.append({**annotation, **twin})

    def add_result(self, image_id, category_id, bbox, score=None):
        score = round(float(self.rng.beta(2, 2)), 2) if score is None else score
        self.results.append(
            {"image_id": image_id, "category_id": category_id, "bbox": bbox, "score": score}
        )

    def crowd_in(self, image_id, count):
        """Many detections, half of one category, some of whose objects score too low to count."""
        category = self.with_objects[0]
        for _ in range(count // 2):
            self.add_result(image_id, category, self.box())
            self.add_result(image_id, self.any_category(), self.box())
        for score in np.linspace(0.95, 0.02, 12):
            box = self.box()
            row = {"image_id": image_id, "category_id": category, "bbox": box}
            area = {"area": box[2] * box[3], "iscrowd": 0, "ignore": 0}
            self.annotations.append({"id": len(self.annotations) + 1, **row, **area})
            self.add_result(**row, score=round(float(score), 2))

    def ground_truth(self):
        return {
            "images": self.images,
            "categories": self.categories,
            "annotations": self.annotations,
        }

    def federate(self):
        """Adds what LVIS says of pictures and categories, and some boxes of no area."""
        for index, category in enumerate(self.categories):
            category["frequency"] = "rcf"[index % 3]
        for image in self.images:
            here = [row for row in self.annotations if row["image_id"] == image["id"]]
            present = {row["category_id"] for row in here}
            known = [row["id"] for row in self.categories]
            absent = [id for id in known if id not in present and self.rng.random() < 0.4]
            partial = [id for id in known if self.rng.random() < 0.25]
            image["neg_category_ids"] = absent
            image["not_exhaustive_category_ids"] = partial
        for row in self.rng.choice(self.annotations, 4, replace=False):
            row["area"] = 0
        for row in self.rng.choice(self.results, 6, replace=False):
            row["bbox"][3] = 0


def mean(values):
    present = values[values > -1]
    return float(present.mean()) if present.size else -1.0


def scores(precision, recall, cuts):
    """`precision` [T, R, K, A] and `recall` [T, K, A, M], both -1 where there is no object."""
    found = {f"AP{name}": mean(precision[..., area]) for name, area in AREAS.items()}
    found |= {"AP50": mean(precision[IOU_50, ..., 0]), "AP75": mean(precision[IOU_75, ..., 0])}
    found |= {f"AR{cut}": mean(recall[..., 0, place]) for place, cut in enumerate(cuts)}
    found |= {f"AR{name}": mean(recall[..., AREAS[name], -1]) for name in "sml"}
    return found


def expected(ids, precision, recall, cuts):
    per_category = [
        {"id": int(id), **scores(precision[:, :, [k]], recall[:, [k]], cuts)}
        for k, id in enumerate(ids)
    ]
    return {**scores(precision, recall, cuts), "perCategory": per_category}


def score_coco(ground_truth, results, options):
    dataset = COCO()
    dataset.dataset = copy.deepcopy(ground_truth)
    dataset.createIndex()
    evaluation = COCOeval(dataset, dataset.loadRes(copy.deepcopy(results)), "bbox")
    params = evaluation.params
    params.imgIds = options.get("imageIds", params.imgIds)
    params.catIds = options.get("categoryIds", params.catIds)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    precision, recall = evaluation.eval["precision"][..., -1], evaluation.eval["recall"]
    found = expected(params.catIds, precision, recall, params.maxDets)
    names = "AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl".split()
    assert np.array_equal([found[name] for name in names], evaluation.stats)
    return found


def score_lvis(ground_truth, results, options):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(ground_truth, file)
        file.flush()
        dataset = LVIS(file.name)
    detections = LVISResults(dataset, copy.deepcopy(results))
    evaluation = LVISEval(dataset, detections, "bbox")
    params = evaluation.params
    params.img_ids = options.get("imageIds", params.img_ids)
    params.cat_ids = options.get("categoryIds", params.cat_ids)
    evaluation.run()
    precision, recall = evaluation.eval["precision"], evaluation.eval["recall"][..., None]
    found = expected(params.cat_ids, precision, recall, [params.max_dets])
    stated = {name.replace("@300", ""): float(score) for name, score in evaluation.results.items()}
    stated["AR300"] = stated.pop("AR")
    assert all(found[name] == score for name, score in stated.items() if name in found)
    return {**stated, "perCategory": found["perCategory"]}


def write(name, toy, score):
    every_second = sorted(image["id"] for image in toy.images)[::2]
    some = sorted(category["id"] for category in toy.categories)[3:9]
    with contextlib.redirect_stdout(io.StringIO()):
        cases = [
            {"options": options, "expected": score(toy.ground_truth(), toy.results, options)}
            for options in ({}, {"imageIds": every_second}, {"categoryIds": some})
        ]
    fixture = {"groundTruth": toy.ground_truth(), "results": toy.results, "cases": cases}
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(fixture, separators=(",", ":")) + "\n")


def main():
    write("coco", Toy(seed=0, crowded=260), score_coco)
    toy = Toy(seed=1, crowded=330)
    toy.federate()
    write("lvis", toy, score_lvis)


main()
