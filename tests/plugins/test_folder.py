"""A user's folder of images: what is taken for what, and what is refused."""

import errno
import json
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import levels, load_folder, write_image, write_images
from PIL import Image

from gtk.core.storage import cache
from gtk.core.storage.cache import CACHE_VARIABLE, ImageWriter
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.errors import InvalidValue, WorkFailed
from gtk.core.values.tracking import heard_by
from gtk.plugins.datasets import FolderConfig, listing, threads
from gtk.plugins.datasets.folder import load
from gtk.plugins.datasets.listing import count_by_suffix
from gtk.plugins.datasets.splitting import choose_tested

CLASSES = [f"{kind}/{number}.png" for kind in ("cat", "dog") for number in range(10)]


@pytest.fixture(autouse=True)
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "decoded"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pets").mkdir()
    return tmp_path / "pets"


def refusal(root: Path, **options: object) -> str:
    """Return the message that a folder is refused with, less the folder's own name."""
    with pytest.raises(InvalidValue) as error:
        load_folder(root, **options)
    message = str(error.value)
    assert "\n" not in message
    assert message.isprintable()
    return message.replace(str(root), "PETS")


def test_a_folder_a_class(root: Path) -> None:
    data = load_folder(write_images(root, CLASSES))
    assert data.spec.condition == ConditionSpec(("cat", "dog"))
    assert data.spec.image_shape == (1, 4, 4)
    assert data.spec.name == "pets"
    assert not data.notes
    train, test = levels(data)
    assert sorted(train + test) == list(range(20))
    assert train == sorted(train), "by name"
    assert [level // 10 for level in train] == data.train.labels.tolist()
    assert [level // 10 for level in test] == data.test.labels.tolist() == [0, 1]


def test_a_flat_folder_has_no_classes(root: Path) -> None:
    data = load_folder(write_images(root, [f"{number}.png" for number in range(30)]))
    assert data.spec.condition is None
    assert (len(data.train), len(data.test)) == (27, 3)
    assert data.train.labels.tolist() == [0] * 27


def test_deeper_folders_belong_to_the_one_at_the_top(root: Path) -> None:
    names = ["a/x/1.png", "a/y/z/2.png", "a/3.png", "b/x/4.png", "b/5.png"]
    data = load_folder(write_images(root, names))
    assert data.spec.condition == ConditionSpec(("a", "b"))
    train, test = levels(data)
    labels = [*data.train.labels, *data.test.labels]
    assert dict(zip(train + test, labels, strict=True)) == {0: 0, 1: 0, 2: 0, 3: 1, 4: 1}


@pytest.mark.parametrize("held_out", ["test", "val", "Valid", "validation", "TEST"])
def test_folders_called_train_and_test_are_the_split(root: Path, held_out: str) -> None:
    train = [f"Train/{kind}/{i}.png" for kind in "ab" for i in range(3)]
    data = load_folder(write_images(root, [*train, f"{held_out}/a/0.png", f"{held_out}/b/0.png"]))
    assert levels(data) == ([0, 1, 2, 3, 4, 5], [6, 7])
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.test.labels.tolist() == [0, 1]


def test_a_split_may_be_flat(root: Path) -> None:
    data = load_folder(write_images(root, ["train/0.png", "train/1.png", "test/0.png"]))
    assert data.spec.condition is None
    assert levels(data) == ([0, 1], [2])


def test_classes_of_a_split_are_those_of_both(root: Path) -> None:
    write_images(root, ["train/a/0.png", "train/b/1.png", "test/a/2.png", "test/c/3.png"])
    data = load_folder(root)
    assert data.spec.condition == ConditionSpec(("a", "b", "c"))
    assert (data.train.labels.tolist(), data.test.labels.tolist()) == ([0, 1], [0, 2])
    assert data.notes == ("there are no training images of 'c'", "there are no test images of 'b'")


def test_test_images_without_a_class_are_left_out(root: Path) -> None:
    write_images(root, [*(f"train/{name}" for name in CLASSES), "test/0.png"])
    data = load_folder(root)
    assert data.spec.condition == ConditionSpec(("cat", "dog"))
    assert (len(data.train), len(data.test)) == (18, 2)
    assert data.notes == (
        (
            "images in 'test' are not in folders for classes, so they are not used, and a tenth of "
            "'train' is for testing; to use all without classes, add condition='none'"
        ),
    )
    data = load_folder(root, condition="none")
    assert (data.spec.condition, len(data.train), len(data.test)) == (None, 20, 1)


def test_training_images_without_classes_leave_those_of_test_images_unused(root: Path) -> None:
    data = load_folder(write_images(root, ["train/0.png", "test/a/1.png", "test/b/2.png"]))
    assert data.spec.condition is None
    assert levels(data) == ([0], [1, 2])
    assert data.notes == ("folders in 'test' are not classes, since images in 'train' are in none",)


@pytest.mark.parametrize("validation", ["val", "Valid"])
def test_a_folder_for_validation_beside_one_for_testing_is_left_out(
    root: Path, validation: str
) -> None:
    names = [f"train/a/{i}.png" for i in range(2)] + ["train/b/2.png", "test/a/3.png"]
    write_images(root, [*names, "test/b/4.png", f"{validation}/a/5.png", f"{validation}/c/6.png"])
    (root / validation / "broken.png").write_bytes(b"")
    data = load_folder(root)
    assert levels(data) == ([0, 1, 2], [3, 4])
    assert data.spec.condition is not None
    assert data.spec.condition.names == ("a", "b")
    assert data.notes == (
        f"images in {validation!r} are not used, neither for training nor for testing",
    )


def test_two_folders_for_testing_are_refused(root: Path) -> None:
    write_images(root, ["train/0.png", "valid/0.png", "val/0.png"])
    assert refusal(root) == (
        "PETS has the folders train, val, valid: gtk uses one for training and one for testing, "
        "so move 'valid' elsewhere"
    )


def test_folders_without_images_beside_train_and_test_are_none(root: Path) -> None:
    (root / "labels").mkdir()
    (root / "labels" / "0.txt").touch()
    data = load_folder(write_images(root, ["train/0.png", "train/1.png", "test/0.png"]))
    assert levels(data) == ([0, 1], [2])
    assert data.notes[0] == "the folder 'labels' is not a class, since it has no images"


def test_two_folders_for_training_are_classes(root: Path) -> None:
    names = [f"{kind}/{i}.png" for kind in ("Train", "train", "test") for i in range(2)]
    data = load_folder(write_images(root, names))
    assert data.spec.condition == ConditionSpec(("Train", "test", "train"))


def test_other_folders_beside_train_and_test_make_them_classes(root: Path) -> None:
    data = load_folder(write_images(root, [f"{k}/{i}.png" for k in ("train", "test", "bus")
                                           for i in range(2)]))  # fmt: skip
    assert data.spec.condition == ConditionSpec(("bus", "test", "train"))


def test_the_split_is_fixed_and_another_image_moves_few() -> None:
    names = [f"{number}.png" for number in range(1000)]
    before = dict(zip(names, choose_tested(names, [0] * 1000), strict=True))
    assert sum(before.values()) == 100
    backwards = dict(zip(names[::-1], choose_tested(names[::-1], [0] * 1000), strict=True))
    assert backwards == before
    more = [*names, *(f"new-{number}.png" for number in range(50))]
    after = dict(zip(more, choose_tested(more, [0] * 1050), strict=True))
    assert sum(before[name] != after[name] for name in names) <= 10
    assert choose_tested(["0.png", "1.png", "2.png"], [0] * 3).tolist() == [True, False, False]


@pytest.mark.parametrize(("count", "tested"), [(1, 0), (2, 1), (9, 1), (19, 1), (20, 2), (25, 2)])
def test_a_tenth_of_each_class_is_for_testing(count: int, tested: int) -> None:
    names = [f"{number}" for number in range(2 * count)]
    chosen = choose_tested(names, [0] * count + [1] * count)
    assert chosen[:count].sum() == chosen[count:].sum() == tested


NAMES = ["two words", "naïve 猫", "<b>&amp;", '$(touch x); `y` "z"', "[red]x", "tab\there"]


def test_names_of_classes_are_kept_as_they_are(root: Path) -> None:
    data = load_folder(write_images(root, [f"{name}/{i}.png" for name in NAMES for i in "01"]))
    assert data.spec.condition == ConditionSpec(tuple(sorted(NAMES)))


def test_what_is_no_image_by_its_name_is_passed_over_and_counted(root: Path) -> None:
    write_images(root, [*CLASSES, ".hidden.png", "cat/._0.png", "__MACOSX/cat/0.png"])
    for name in ("Thumbs.db", "cat/.DS_Store", "readme.txt", "cat/notes.md", "picture.eps"):
        (root / name).write_text("no image")
    data = load_folder(root)
    assert len(data.train) + len(data.test) == 20
    (note,) = data.notes
    skipped = "files skipped because their names do not end as those of images"
    assert note == f"{skipped}: 3 (1 .eps, 1 .md, 1 .txt)"


def test_any_format_and_any_case_of_its_ending(root: Path) -> None:
    for number, name in enumerate(["0.PNG", "1.Bmp", "2.gif", "3.tiff", "4.webp", "5.pgm"]):
        form = {".pgm": "PPM"}.get(Path(name).suffix)
        options = {"lossless": True} if "webp" in name else {}
        Image.new("L", (4, 4), number * 40).save(root / name, form, **options)
    Image.new("L", (4, 4), 240).save(root / "6.JPeG")
    train, test = levels(load_folder(root))
    assert sorted(train + test) == [0, 40, 80, 120, 160, 200, 240]


def test_a_folder_without_images_is_no_class(root: Path) -> None:
    (write_images(root, CLASSES) / "cow" / "deep").mkdir(parents=True)
    data = load_folder(root)
    assert data.spec.condition == ConditionSpec(("cat", "dog"))
    assert data.notes == ("the folder 'cow' is not a class, since it has no images",)


def test_one_class_is_none(root: Path) -> None:
    data = load_folder(write_images(root, CLASSES[:10]))
    assert data.spec.condition is None
    (note,) = data.notes
    assert note == ("all images are in one folder, 'cat', so they are used without classes")


def test_images_beside_folders_of_images_are_refused(root: Path) -> None:
    assert refusal(write_images(root, [*CLASSES, "lost.png"])) == (
        "PETS has images beside folders of images (lost.png and cat/0.png): put all of them into "
        "folders, one a class, or none"
    )


# --- size and colour ---


def test_images_of_one_size_keep_it(root: Path) -> None:
    for number in range(3):
        write_image(root / f"{number}.png", size=(128, 20))
    assert load_folder(root).spec.image_shape == (1, 20, 128)


@pytest.mark.parametrize("size", [(129, 20), (20, 129)])
def test_large_images_become_64x64(root: Path, size: tuple[int, int]) -> None:
    for number in range(3):
        write_image(root / f"{number}.png", size=size)
    assert load_folder(root).spec.image_shape == (1, 64, 64)


def test_images_of_several_sizes_become_64x64(root: Path) -> None:
    write_image(write_image(root / "0.png").parent / "1.png", size=(4, 5))
    assert load_folder(root).spec.image_shape == (1, 64, 64)


@pytest.mark.parametrize(
    ("image_size", "shape"), [((16,), (16, 16)), ((3, 5), (3, 5)), ((1024, 1), (1024, 1))]
)
def test_a_size_can_be_asked_for(
    root: Path, image_size: tuple[int, ...], shape: tuple[int, int]
) -> None:
    write_images(root, ["0.png", "1.png"])
    assert load_folder(root, image_size=image_size).spec.image_shape == (1, *shape)
    assert load_folder(root, image_size=image_size, color="rgb").spec.image_shape == (3, *shape)


@pytest.mark.parametrize("image_size", [(0,), (1025,), (8, 8, 8), (-1, 8)])
def test_a_size_that_is_none_is_refused(image_size: tuple[int, ...]) -> None:
    with pytest.raises(InvalidValue, match="image_size must be one or two numbers in 1..1024, not"):
        FolderConfig(image_size=image_size)


def test_one_image_in_colour_makes_all_colour_unless_grey_is_asked_for(root: Path) -> None:
    write_images(root, ["0.png", "1.png"])
    Image.new("RGB", (4, 4), (255, 0, 0)).save(root / "2.png")
    data = load_folder(root)
    assert data.spec.channels == 3
    assert sorted([*data.train.images[:, 2, 0, 0], *data.test.images[:, 2, 0, 0]]) == [0, 0, 1]
    data = load_folder(root, color="grey")
    assert data.spec.channels == 1
    assert sorted([*levels(data)[0], *levels(data)[1]]) == [0, 1, 76]


def test_fit_is_handed_on(root: Path) -> None:
    for number in range(2):
        write_image(root / f"{number}.png", 200, size=(8, 4))
    assert (load_folder(root, image_size=(8,)).train.images == 200).all()
    padded = load_folder(root, image_size=(8,), fit="pad").train.images[0, 0]
    assert padded[:, 0].tolist() == [0, 0, 200, 200, 200, 200, 0, 0]


# --- bad images ---


def test_the_first_bad_image_is_named_and_the_others_counted(root: Path) -> None:
    write_images(root, CLASSES)
    (root / "cat" / "3.png").write_text("no image")
    assert refusal(root) == (
        "PETS/cat/3.png is not an image that gtk can read: repair or remove it, or add "
        "bad_images='skip'"
    )
    (root / "dog" / "2.png").write_bytes(b"")
    (root / "dog" / "3.png").write_bytes(b"")
    assert (
        "PETS/cat/3.png is not an image that gtk can read; 2 more images cannot be used: "
        in refusal(root)
    )


def truncate(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:1000])


def test_kinds_of_other_files_are_counted_in_words() -> None:
    others = Counter({f".{number:02}": 1 for number in range(11)})
    assert count_by_suffix(others).endswith("1 .09, 1 other kind")
    others[".11"] = 1
    assert count_by_suffix(others).endswith("1 .09, 2 other kinds")


def test_damage_that_only_decoding_shows_is_counted_too(root: Path, cached: Path) -> None:
    write_images(root, CLASSES)
    for name in ("cat/1.png", "cat/2.png"):
        truncate(root / name)
    assert "PETS/cat/1.png is damaged (" in (message := refusal(root))
    assert "; 1 more image cannot be used" in message
    assert not [path for path in cached.iterdir() if path.is_dir()]


def test_bad_images_are_skipped_and_counted(root: Path) -> None:
    write_images(root, CLASSES)
    (root / "cat" / "3.png").write_text("no image")
    truncate(root / "dog" / "1.png")
    (root / "dog" / "2.png").write_bytes(b"")
    (root / "dog" / "3.png").unlink()
    (root / "dog" / "3.png").symlink_to(root / "missing.png")
    data = load_folder(root, bad_images="skip", image_size=(4,))
    train, test = levels(data)
    assert sorted(train + test) == sorted({*range(20)} - {3, 11, 12, 13})
    labels = [*data.train.labels, *data.test.labels]
    assert [level // 10 for level in train + test] == labels
    (note,) = data.notes
    assert note.startswith(
        "bad images skipped: 4 (cat/3.png is not an image that gtk can read; dog/1.png is damaged ("
    )
    assert note.endswith("; dog/2.png is empty; and 1 more)")
    assert load_folder(root, bad_images="skip", image_size=(4,)).notes == (note,), "from the cache"


def test_floating_point_pixels_are_found_early_and_decide_neither_size_nor_colour(
    root: Path,
) -> None:
    write_images(root, CLASSES)
    Image.fromarray(np.zeros((9, 9), np.float32)).save(root / "cat" / "x.tif")
    assert refusal(root).startswith("PETS/cat/x.tif has floating-point numbers for pixels")
    assert load_folder(root, bad_images="skip").spec.image_shape == (1, 4, 4)


def test_a_class_whose_images_are_all_bad_is_none(root: Path) -> None:
    write_images(root, [*CLASSES, "cow/0.png", "cow/1.png"])
    for number in range(2):
        truncate(root / "cow" / f"{number}.png")
    data = load_folder(root, bad_images="skip", image_size=(4,))
    assert data.spec.condition == ConditionSpec(("cat", "dog"))


def test_all_bad_is_refused(root: Path) -> None:
    for number in range(3):
        (root / f"{number}.png").write_bytes(b"")
    for options in ({}, {"bad_images": "skip"}):
        assert refusal(root, **options) == (
            "PETS/0.png is empty; 2 more images cannot be used: add images to the folder"
        )


def test_a_bomb_is_named(root: Path) -> None:
    from test_decoding import png_header

    write_images(root, CLASSES)
    (root / "cat" / "bomb.png").write_bytes(png_header(30_000, 30_000))
    assert refusal(root).startswith("PETS/cat/bomb.png has more than 89,478,485 pixels: ")


@pytest.mark.parametrize("count", [1, 2])
def test_classes_of_one_image_leave_none_for_testing(root: Path, count: int) -> None:
    write_images(root, ["cat/0.png", "dog/0.png"][:count])
    message = refusal(root)
    assert message.startswith("PETS has no usable image for testing: give two images or more")


# --- folders and links ---


def test_an_empty_a_missing_and_no_folder(root: Path, tmp_path: Path) -> None:
    assert refusal(root).startswith(
        "PETS has no images, with names such as 'x.png' or 'x.jpg' (other files: 0)"
    )
    (root / "x.txt").touch()
    assert refusal(root).endswith("'x.png' or 'x.jpg' (other files: 1): give a folder with images")
    assert refusal(root / "none") == "PETS does not exist: give a folder with images"
    assert refusal(root / "x.txt") == "PETS is a file: give a folder with images"
    assert refusal(root / ("x" * 300)).endswith(" cannot be read: File name too long")
    assert not (tmp_path / "cache").exists()


def out_of_it(root: Path) -> str:
    (root / "cat" / "link.png").symlink_to(write_image(root.parent / "outside.png"))
    return "is a link that leads out of the folder"


def beside_it(root: Path) -> str:
    outside = write_image(root.with_name(f"{root.name}-more") / "0.png")
    (root / "cat" / "link.png").symlink_to(outside)
    return "is a link that leads out of the folder"


def folder_out_of_it(root: Path) -> str:
    write_image(root.parent / "outside" / "0.png")
    (root / "cat" / "link.png").symlink_to(root.parent / "outside")
    return "is a link that leads out of the folder"


def folder_inside(root: Path) -> str:
    (root / "cat" / "link.png").symlink_to(root / "dog")
    return "is a link to a folder, which is not followed"


def folder_above(root: Path) -> str:
    (root / "cat" / "link.png").symlink_to("..")
    return "is a link to a folder, which is not followed"


def nowhere(root: Path) -> str:
    (root / "cat" / "link.png").symlink_to("missing")
    return "is a link to a missing file"


def circle(root: Path) -> str:
    (root / "cat" / "link.png").symlink_to("other.txt")
    (root / "cat" / "other.txt").symlink_to("link.png")
    return "is a link to itself; 1 more image cannot be used"


def pipe(root: Path) -> str:
    os.mkfifo(root / "cat" / "link.png")
    return "is a named pipe instead of a file"


def a_socket(root: Path) -> str:
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(root / "cat")  # names of sockets must be short
        server.bind("link.png")
    return "is a socket instead of a file"


def device(root: Path) -> str:
    (root / "cat" / "link.png").symlink_to("/dev/zero")
    return "is a link that leads out of the folder"


@pytest.mark.parametrize(
    "make",
    [out_of_it, beside_it, folder_out_of_it,
     folder_inside, folder_above, nowhere, circle, pipe, a_socket,
     device],
)  # fmt: skip
def test_what_is_not_opened_is_named_or_skipped(root: Path, make: Callable[[Path], str]) -> None:
    reason = make(write_images(root, CLASSES))
    assert refusal(root).startswith(f"PETS/cat/link.png {reason}: repair or remove")
    data = load_folder(root, bad_images="skip")
    assert len(data.train) + len(data.test) == 20
    assert "cat/link.png is a" in data.notes[0]


def test_links_to_files_inside_are_images_and_the_folder_may_be_one(
    root: Path, tmp_path: Path
) -> None:
    write_images(root, CLASSES)
    (root / "dog" / "link.png").symlink_to("../cat/7.png")
    (tmp_path / "link").symlink_to(root)
    data = load_folder(tmp_path / "link")
    found = [*zip(levels(data)[0], data.train.labels, strict=True)]
    found += [*zip(levels(data)[1], data.test.labels, strict=True)]
    assert (7, 0) in found
    assert (7, 1) in found


def test_a_link_to_another_file_outside_is_one_of_the_other_files(root: Path) -> None:
    (write_images(root, CLASSES) / "notes.txt").symlink_to(__file__)
    assert load_folder(root).notes[0].startswith("files skipped because their")


def test_a_name_that_is_not_utf8_is_bad(root: Path) -> None:
    write_images(root, CLASSES)
    (root / "cat" / "0.png").rename(os.fsdecode(os.fsencode(root / "cat") + b"/\xff.png"))
    message = refusal(root)
    assert message.startswith(
        "PETS/cat/\\udcff.png has a name that is not valid UTF-8: rename it: "
    )
    assert len(load_folder(root, bad_images="skip").train) == 17


def test_names_are_utf8_in_any_locale(root: Path) -> None:
    write_images(
        root, [f"{kind}/画{number}.png" for kind in ("猫 😺", "犬") for number in range(4)]
    )
    (root / "metadata.csv").write_text(
        "file_name,label\n"
        + "".join(
            f"{kind}/画{number}.png,{kind}\n" for kind in ("猫 😺", "犬") for number in range(4)
        ),
        encoding="utf-8",
    )
    code = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from gtk.core.values.text import as_utf8\n"
        "from gtk.plugins.datasets import FolderConfig\n"
        "from gtk.plugins.datasets.folder import load\n"
        "found = load(FolderConfig(), Path(sys.argv[1]))\n"
        "names = [*found.spec.condition.names, as_utf8(sys.argv[2])]\n"
        "print(json.dumps([names, found.train.labels.tolist()]))"
    )
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0"}
    for table in (True, False):
        if not table:
            (root / "metadata.csv").unlink()
        here = load_folder(root)
        names = getattr(here.spec.condition, "names", None)
        assert names == ("犬", "猫 😺")
        line = [sys.executable, "-c", code, root, "猫"]
        there = subprocess.run(line, env=os.environ | ascii_only, capture_output=True, check=True)
        assert json.loads(there.stdout) == [[*names, "猫"], here.train.labels.tolist()]


def test_what_cannot_be_read_is_bad(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(root, CLASSES)
    real_scan, real_open = os.scandir, Image.open

    def scan(path: Path) -> object:
        if isinstance(path, Path) and path.name == "dog":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real_scan(path)

    def open_image(path: Path, **options: object) -> Image.Image:
        if path.name == "5.png":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real_open(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Image, "open", open_image)
    assert refusal(root).startswith("PETS/cat/5.png cannot be read (Permission denied); 1 more")
    monkeypatch.setattr(listing.os, "scandir", scan)
    assert "; 1 more image cannot be used" in refusal(root)
    assert (
        "dog cannot be read (Permission denied)" in (load_folder(root, bad_images="skip").notes[-1])
    )
    monkeypatch.setattr(listing.os, "scandir", lambda path: scan(Path("dog")))
    assert refusal(root) == "PETS cannot be read: Permission denied"


def test_a_folder_that_can_only_be_listed_is_bad(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(root, CLASSES)
    real_stat = os.stat

    def stat(path: Any, **options: Any) -> os.stat_result:
        if f"{root}/dog/" in str(path):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real_stat(path, **options)

    monkeypatch.setattr(listing.os, "stat", stat)
    assert refusal(root).startswith("PETS/dog cannot be read (Permission denied): repair or remove")
    assert load_folder(root, bad_images="skip").notes[-1].startswith("bad images skipped: 1 (dog ")


# --- the cache ---


def test_images_are_decoded_once_until_a_file_changes(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(root, CLASSES)
    heard: list[str] = []

    def decodes() -> bool:
        heard.clear()
        with heard_by(lambda what, done, total: heard.append(f"{what} {done}/{total}")):
            load_folder(root)
        return "decoding images 20/20" in heard or "decoding images 21/21" in heard

    assert decodes()
    assert heard[0] == "reading headers 0/20"
    assert not decodes()
    assert not heard, "not even looked at"
    write_image(root / "cat" / "new.png", 99)
    assert decodes()
    write_image(root / "cat" / "new.png", 99)  # the same content, at another time
    assert decodes()
    (root / "cat" / "new.png").unlink()
    assert decodes()
    (root / "cat" / "0.png").rename(root / "cat" / "00.png")
    assert decodes()
    assert not decodes()
    (root / "notes.txt").touch()
    assert load_folder(root).notes, "what is reported is never stale"


def test_a_cache_that_was_cut_short_is_made_again(root: Path, cached: Path) -> None:
    before = load_folder(write_images(root, CLASSES)).train.images.copy()
    (entry,) = (path for path in cached.iterdir() if path.is_dir())
    with (entry / "images.bin").open("r+b") as file:
        file.truncate(7)
    assert np.array_equal(load_folder(root).train.images, before)


def test_other_options_do_not_share_a_cache(root: Path) -> None:
    write_images(root, CLASSES)
    assert load_folder(root).spec.height == 4
    assert load_folder(root, image_size=(8,)).spec.height == 8
    assert load_folder(root).spec.height == 4


def test_a_full_disk_leaves_nothing(
    root: Path, cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(root, CLASSES)
    real = ImageWriter.add

    def add(writer: ImageWriter, images: np.ndarray) -> None:  # type: ignore[type-arg]
        if writer.count == 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(writer, images)

    monkeypatch.setattr(cache.ImageWriter, "add", add)
    with pytest.raises(WorkFailed, match="No space left on device") as error:
        load_folder(root)
    assert "\n" not in str(error.value)
    assert [path.suffix for path in cached.iterdir()] == [".lock"]
    monkeypatch.undo()


def test_two_processes_at_once_decode_once(root: Path) -> None:
    write_images(root, [f"{kind}/{number}.png" for kind in "ab" for number in range(60)])
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from gtk.core.values.tracking import heard_by\n"
        "from gtk.plugins.datasets.folder import load\n"
        "from gtk.plugins.datasets import FolderConfig\n"
        "sys.stdin.readline()\n"
        "heard = []\n"
        "with heard_by(lambda what, done, total: heard.append(what)):\n"
        f"    data = load(FolderConfig(), Path({str(root)!r}))\n"
        "print(len(data.train), int(data.train.images.sum()), 'decoding images' in heard)\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    results = sorted(process.communicate()[0].split() for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert results[0][:2] == results[1][:2]
    assert [result[2] for result in results] == ["False", "True"]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_threads_change_nothing(root: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    for number in range(100):
        noise = generator.integers(0, 256, (5, 5), dtype=np.uint8)
        Image.fromarray(noise).save(root / f"{number}.png")
    monkeypatch.setattr(threads, "MOST_THREADS", 1)
    before = load_folder(root)
    monkeypatch.setattr(threads, "MOST_THREADS", count)
    monkeypatch.setattr(threads.os, "cpu_count", lambda: count)
    after = load_folder(root, color="grey")
    assert np.array_equal(before.train.images, after.train.images)
    assert np.array_equal(before.test.images, after.test.images)


def test_work_in_threads_is_in_order_and_little_ahead() -> None:
    taken: list[int] = []

    def numbers() -> "object":
        for number in range(10_000):
            taken.append(number)
            yield number

    results = threads.in_order(lambda number: 2 * number, numbers(), 3)  # type: ignore[arg-type]
    assert [next(results) for _ in range(5)] == [0, 2, 4, 6, 8]
    assert len(taken) < 200
    assert list(results) == list(range(10, 20_000, 2))


def test_a_folder_is_only_read(root: Path) -> None:
    write_images(root, CLASSES)
    before = {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]}
    load(FolderConfig(), root)
    assert before == {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]}
