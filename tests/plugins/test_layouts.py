"""Layouts of other people's folders of images: splits, classes and masks, and what is said."""

from pathlib import Path

import numpy as np
import pytest
from folders import load_folder, write_images

from gtk.core.values.errors import InvalidValue


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


def below(*folders: str, count: int = 3) -> list[str]:
    return [f"{folder}/{number}.png" for folder in folders for number in range(count)]


def understood(root: Path, **options: object) -> dict[str, tuple[int, int]]:
    """Return the numbers of training and test images of each class, "" without classes."""
    data = load_folder(root, **options)
    names = data.spec.condition.names if data.spec.condition else ("",)
    counts = (np.bincount(split.labels, minlength=len(names)) for split in (data.train, data.test))
    return dict(zip(names, zip(*(count.tolist() for count in counts), strict=True), strict=True))


def notes(root: Path, **options: object) -> str:
    return "\n".join(load_folder(root, **options).notes)


TWO = ("a", "b")
HALVES = {"a": (3, 3), "b": (3, 3)}
#: Names of folders, what becomes of each class, and words that a note must have.
LAYOUTS: dict[str, tuple[list[str], dict[str, tuple[int, int]], str]] = {
    "mnist_png": (below("training/a", "training/b", "testing/a", "testing/b"), HALVES,
                  "training images are in 'training', test images in 'testing'"),
    "coco": (below("train2017/a", "train2017/b", "val2017/a", "val2017/b"), HALVES,
             "training images are in 'train2017', test images in 'val2017'"),
    "coco-flat": (below("train2017", "val2017", "test2017", "unlabeled2017"), {"": (3, 3)},
                  "images in 'unlabeled2017', 'val2017' are not used"),
    "capitals": (below("Train/a", "Train/b", "Test/a", "Test/b"), HALVES, ""),
    "roboflow": (below("train/images", "valid/images", "test/images"), {"": (3, 3)},
                 "images in 'valid' are not used"),
    "sets": (below("training_set/a", "training_set/b", "test_set/a", "test_set/b", "samples"),
             HALVES, "images in 'samples' are not used"),
    "intel": (below("seg_train/seg_train/a", "seg_train/seg_train/b", "seg_test/seg_test/a",
                    "seg_test/seg_test/b", "seg_pred/seg_pred"),
              HALVES, "images in 'seg_pred' are not used"),
    "cyclegan": (below("trainA", "trainB", "testA", "testB"), {"A": (3, 3), "B": (3, 3)},
                 "training images are in 'trainA', 'trainB'"),
    "images-in-splits": (below("train/images/a", "train/images/b", "test/images/a",
                               "test/images/b"), HALVES, "layout='classes'"),
    "in-a-folder": (below("mnist_png/training/a", "mnist_png/training/b", "mnist_png/testing/a",
                          "mnist_png/testing/b"), HALVES,
                    "'mnist_png/training', test images in 'mnist_png/testing'"),
    "train-only": (below("train/a", "train/b", count=10), {"a": (9, 1), "b": (9, 1)},
                   "training images are in 'train', a tenth of them for testing"),
    "tiny-imagenet": (below("train/a/images", "train/b/images", "val/images", count=10),
                      {"a": (9, 1), "b": (9, 1)}, "images in 'val' are not in folders for classes"),
    "mvtec-2": (below("train/good", "test_public/good", "test_public/bad", "test_private/bad",
                      "test_public/ground_truth/bad"), {"bad": (0, 6), "good": (3, 3)},
                "test images in 'test_private', 'test_public'"),
    "accents": (below("train/caf\u00e9", "train/b", "test/cafe\u0301", "test/b"),
                {"b": (3, 3), "caf\u00e9": (3, 3)}, ""),
    "yolo": (below("images/train", "images/val"), {"": (3, 3)}, "'images/train'"),
    "class-splits": (below("a/train", "a/test", "b/train", "b/test"), HALVES,
                     ("in each class, training images are in 'train', test images in 'test'; to "
                     "split them anew, add layout='classes'")),
    "part-class-splits": (below("a/train", "a/test", "b"), {"a": (5, 1), "b": (2, 1)},
                          "add layout='class-splits'"),
    "class-folders-like-splits": (below("train", "test", "bus"),
                                  {"bus": (2, 1), "test": (2, 1), "train": (2, 1)},
                                  "if they are, add layout='splits'"),
    "two-train": (below("train2014", "train2017", "val2014", "val2017"),
                  dict.fromkeys(("train2014", "train2017", "val2014", "val2017"), (2, 1)),
                  "add layout='splits'"),
    "domains": (below("art/a", "art/b", "photo/a", "photo/b"), {"art": (5, 1), "photo": (5, 1)},
                "though each of them has the folders 'a', 'b'; if these are the classes, give one"),
    "spanish": ([*below("entrenamiento/a", "entrenamiento/b", count=8),
                 *below("prueba/a", "prueba/b")],
                {"entrenamiento": (15, 1), "prueba": (5, 1)},
                ("or, if 'entrenamiento' is for training and 'prueba' for testing, add "
                 "layout='splits'")),
    "vehicles": (below("train", "bus", "car"), dict.fromkeys(("bus", "car", "train"), (2, 1)), ""),
    "classes-in-a-folder": (below("archive/a", "archive/b"), {"": (5, 1)},
                            "'a', 'b' in 'archive' are not read as classes; if they are, give the"),
    "visa": (below("Data/Images/Normal", "Data/Images/Anomaly", "Data/Masks/Anomaly"), {"": (5, 1)},
             "'Anomaly', 'Normal' in 'Data/Images' are not read as classes; if they are, give the"),
    "cityscapes": (below("leftImg8bit/train/x", "leftImg8bit/val/x", "gtFine/train/x",
                         "gtFine/val/x"), {"": (3, 3)}, "such as gtFine/train/x/0.png"),
    "mvtec": (below("train/good", "test/good", "test/broken", "ground_truth/broken"),
              {"broken": (0, 3), "good": (3, 3)}, "there are no training images of 'broken'"),
    "mvtec-all": (below("a/train/good", "a/test/bad", "a/ground_truth/bad", "b/train/good",
                        "b/test/bad", "b/ground_truth/bad"), HALVES,
                  ("masks are not trained on: 6 images, such as a/ground_truth/bad/0.png; to read "
                  "them as others, add masks='use'")),
    "images-and-masks": (below("images", "masks"), {"": (2, 1)}, "masks are not trained on: 3"),
    "carvana": (below("train", "train_masks", "test"), {"": (3, 3)}, "such as train_masks/0.png"),
    "camvid": (below("train", "trainannot", "test", "testannot"), {"": (3, 3)}, "testannot/0.png"),
    "voc": (below("JPEGImages", "SegmentationClass", "SegmentationObject"), {"": (2, 1)},
            "masks are not trained on: 6 images"),
    "pets": (below("images", "annotations/trimaps"), {"": (2, 1)}, "annotations/trimaps/0.png"),
    "classes-and-masks": (below("a", "b", "masks"), {"a": (2, 1), "b": (2, 1)}, "masks='use'"),
    "busi": ([f"{kind}/x ({number}){mask}.png" for kind in TWO for number in range(3)
              for mask in ("", "_mask", "_mask_1")], {"a": (2, 1), "b": (2, 1)},
             "masks are not trained on: 12 images, such as a/x (0)_mask.png"),
    "segmentations": ([f"{kind}/{number}{mask}.png" for kind in TWO for number in range(3)
                       for mask in ("", "_seg", "-label")], {"a": (2, 1), "b": (2, 1)},
                      "masks are not trained on: 12 images, such as a/0-label.png"),
    "kitti": (below("training/image_2", "training/semantic", "training/semantic_rgb",
                    "testing/image_2"), {"": (3, 3)},
              "masks are not trained on: 6 images, such as training/semantic/0.png; to read"),
    "kitti-road": (below("training/image_2", "training/gt_image_2", "testing/image_2"),
                   {"": (3, 3)}, "such as training/gt_image_2/0.png"),
    "semantics-alone": (below("instance", "semantic"),
                        {"instance": (2, 1), "semantic": (2, 1)}, ""),
    "two-cases": (below("train/A", "train/b", "test/a", "test/b"),
                  {"A": (3, 0), "a": (0, 3), "b": (3, 3)},
                  "names of classes differ in case only: 'A', 'a'; if they are one, rename them"),
    "classes-in-splits": (below("cats_train", "dogs_train", "cats_test", "dogs_test"),
                          dict.fromkeys(("cats_test", "cats_train", "dogs_test", "dogs_train"),
                                        (2, 1)), "if they are, add layout='splits'"),
    "faces-with-masks": (below("mask", "no_mask"), {"mask": (2, 1), "no_mask": (2, 1)}, ""),
    "only-masks": (below("masks"), {"": (2, 1)}, "all images are in one folder, 'masks'"),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_of_well_known_data_sets(root: Path, name: str) -> None:
    names, expected, said = LAYOUTS[name]
    write_images(root, names)
    assert understood(root) == expected
    assert said in notes(root)
    if not said:
        assert not notes(root)


CHOICES = {
    "classes": ("mnist_png", {"layout": "classes"}, {"testing": (6, 0), "training": (6, 0)}),
    "splits": ("class-folders-like-splits", {"layout": "splits"}, {"": (3, 3)}),
    "all-train": ("two-train", {"layout": "splits"}, {"": (6, 6)}),
    "spanish": ("spanish", {"layout": "splits"}, {"a": (8, 3), "b": (8, 3)}),
    "folds": ("domains", {"layout": "splits"}, HALVES),
    "class-splits": ("part-class-splits", {"layout": "class-splits"}, {"": (3, 3)}),
    "anew": ("class-splits", {"layout": "classes"}, {"a": (5, 1), "b": (5, 1)}),
    "flat": ("vehicles", {"layout": "flat"}, {"": (9, 0)}),
    "masks": ("classes-and-masks", {"masks": "use"},
              {"a": (2, 1), "b": (2, 1), "masks": (2, 1)}),
    "none": ("mvtec", {"condition": "none"}, {"": (3, 6)}),
}  # fmt: skip


CLASSES_IN_SPLITS = {
    "first": "cats_train dogs_train cats_test dogs_test",
    "last": "train_cats train_dogs test_cats test_dogs",
    "with-images": "trainCats/images trainDogs/images testCats/images testDogs/images",
}


@pytest.mark.parametrize("name", CLASSES_IN_SPLITS)
def test_names_of_splits_may_have_the_classes(root: Path, name: str) -> None:
    write_images(root, below(*CLASSES_IN_SPLITS[name].split()))
    found = understood(root, layout="splits")
    assert {kind.lower(): counts for kind, counts in found.items()} == {
        "cats": (3, 3), "dogs": (3, 3),
    }  # fmt: skip
    assert "not read as classes" not in notes(root, layout="splits")


@pytest.mark.parametrize("folders", ["cats_train dogs_train test", "0_train 1_train 0_test 1_test"])
def test_names_of_splits_that_are_not_read_as_classes_are_noted(root: Path, folders: str) -> None:
    write_images(root, below(*folders.split()))
    assert understood(root, layout="splits").keys() == {""}
    assert "_train' are not read as classes; if they are, name all" in notes(root, layout="splits")


@pytest.mark.parametrize("name", CHOICES)
def test_an_option_settles_what_a_layout_is(root: Path, name: str) -> None:
    layout, options, expected = CHOICES[name]
    write_images(root, LAYOUTS[layout][0])
    found = understood(root, **options)
    assert found.keys() == expected.keys()
    for kind, (train, test) in expected.items():
        assert sum(found[kind]) == train + test
        assert not test or found[kind] == (train, test)
    assert "add layout=" not in notes(root, **options)


def test_splits_in_another_language_may_lack_classes(root: Path) -> None:
    write_images(root, below("apprentissage/a", "apprentissage/b", "apprentissage/c", count=8))
    write_images(root, below("essai/a", "essai/b", "test/b", "test/c"))
    assert "if 'apprentissage' is for training and 'essai', 'test' for testing, add" in notes(root)
    expected = {"a": (8, 3), "b": (8, 6), "c": (8, 3)}
    assert understood(root, layout="splits") == expected


def test_a_split_of_one_class_in_another_language_is_noted(root: Path) -> None:
    write_images(root, below("tr/a", "tr/b", count=4))
    write_images(root, below("te/b"))
    assert "if 'tr' is for training and 'te' for testing, add layout='splits'" in notes(root)
    assert understood(root, layout="splits") == {"a": (4, 0), "b": (4, 3)}


def test_images_beside_folders_can_be_read_without_classes(root: Path) -> None:
    write_images(root, [*below("a", "b"), "lost.png"])
    assert understood(root, layout="flat") == {"": (6, 1)}


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("splits", "has no folder for training, such as 'train': rename one, or leave layout out"),
        ("class-splits", "has no folder such as 'train' in a folder for a class: leave layout out"),
    ],
)
def test_a_layout_that_is_not_there_is_refused(root: Path, layout: str, message: str) -> None:
    write_images(root, below("a", "b"))
    with pytest.raises(InvalidValue) as error:
        load_folder(root, layout=layout)
    assert str(error.value) == f"{root} {message}"


def test_bad_images_in_what_is_not_used_do_no_harm(root: Path) -> None:
    write_images(root, LAYOUTS["mvtec"][0])
    write_images(root, below("valid/good"))
    for folder in ("ground_truth/broken", "valid/good"):
        (root / folder / "link.png").symlink_to(root / "missing.png")
        (root / folder / "9.png").write_bytes(b"")
    assert understood(root) == {"broken": (0, 3), "good": (3, 3)}


DOCUMENTS = {
    "captions": ({"0.txt": "", "1.txt": "", "2.txt": ""},
                 "captions and annotations are not read: 3 files beside images, such as '0.txt'"),
    "coco": ({"annotations/captions_val.json": "", "labels.csv": ""},
             ("not read: 'annotations/captions_val.json', 'labels.csv'; labels are read from "
             "metadata.csv, metadata.jsonl, dataset.json")),
    "captions.txt": ({"captions.txt": "", "readme.txt": ""}, "not read: 'captions.txt'; labels"),
    "voc": ({f"Annotations/{number}.xml": "" for number in range(9)},
            "not read: 'Annotations/0.xml', 'Annotations/1.xml', 'Annotations/2.xml' and 6 more"),
    "nnunet": ({"dataset.json": '{"labels": {"0": "liver"}}'},
               "dataset.json is not read, since it has no list 'labels'"),
    "other-json": ({"dataset.json": "[["}, "dataset.json is not read, since it is not JSON"),
    "other-jsonl": ({"metadata.jsonl": '{"a": 1}'},
                    "metadata.jsonl is not read, since it has no entries 'file_name'"),
    "elsewhere": ({"more/metadata.jsonl": "{"},
                  "more/metadata.jsonl is not used, since it is not at the top or in a split"),
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_labels_and_captions_that_are_not_read_are_named(root: Path, name: str) -> None:
    files, note = DOCUMENTS[name]
    write_images(root, ["0.png", "1.png", "2.png"])
    for path, content in files.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(content)
    assert understood(root) == {"": (2, 1)}
    assert notes(root).count(note) == 1


def test_what_is_named_is_not_counted_again_as_skipped(root: Path) -> None:
    write_images(root, ["0.png", "1.png", "2.png"])
    for name in ("0.txt", "1.txt", "labels.csv", "captions.txt", "a.svg", "readme.txt"):
        (root / name).write_text("")
    assert load_folder(root).notes == (
        "captions and annotations are not read: 2 files beside images, such as '0.txt'",
        (
            "not read: 'captions.txt', 'labels.csv'; labels are read from metadata.csv, "
            "metadata.jsonl, dataset.json"
        ),
        ("files skipped because their names do not end as those of images: 2 (1 .svg, 1 .txt)"),
    )


def test_a_note_from_the_cache_spells_its_setting_for_its_reader(root: Path) -> None:
    from gtk.core.values.setting import settings_as_options

    write_images(root, LAYOUTS["mnist_png"][0])
    assert "add layout='classes'" in notes(root)
    with settings_as_options():
        assert "add --layout classes" in notes(root)
