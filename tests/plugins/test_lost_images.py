"""Nothing in a folder of images is lost without a word: dark scans, pages, formats and links."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import levels, load_folder, write_image, write_images
from PIL import Image

from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import InvalidValue
from gtk.plugins.datasets import decoding, folder_walk


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


def save(values: Any, path: Path, **options: Any) -> Path:
    Image.fromarray(np.asarray(values)).save(path, **options)
    return path


def scans(root: Path, top: int, suffix: str = "png") -> Path:
    """Write ten 16-bit images of one level each, from 0 to `top`."""
    for number, value in enumerate(np.linspace(0, top, 10).round()):
        save(np.full((4, 4), value, np.uint16), root / f"{number}.{suffix}")
    return root


def found(data: Dataset) -> list[int]:
    train, test = levels(data)
    return sorted(train + test)


def refusal(root: Path, **options: Any) -> str:
    with pytest.raises(InvalidValue) as error:
        load_folder(root, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- values far below those of the format ---


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_scans_of_12_bits_are_noted_and_a_range_makes_them_whole(root: Path, suffix: str) -> None:
    data = load_folder(scans(root, 4095, suffix))
    assert max(found(data)) == 16
    (note,) = data.notes
    assert note == (
        "images of more than 8 bits that use less than a quarter of their range, and so are "
        "nearly black: 10, with values up to 4095: range='0,4095' makes that white"
    )
    data = load_folder(root, range=(0, 4095))
    assert found(data) == np.linspace(0, 255, 10).round().tolist()
    assert not data.notes


def test_scans_of_16_bits_are_not_noted(root: Path) -> None:
    for number in range(10):
        save(np.array([[0, 60000 + number]], np.uint16), root / f"{number}.png")
    assert not load_folder(root).notes


def test_colour_of_16_bits_is_noted_too(root: Path) -> None:
    cv = png_of_16_bits(np.full((2, 2, 3), 4095))
    for number in range(3):
        (root / f"{number}.png").write_bytes(cv)
    data = load_folder(root)
    assert "nearly black: 3, with values up to 3855:" in data.notes[0]
    data = load_folder(root, range=(0, 3855))
    assert data.train.images.min() == 255


def test_the_lower_bits_of_colour_are_noted(root: Path) -> None:
    for number in range(3):
        content = png_of_16_bits(np.full((2, 2, 3), 60000 + number))
        (root / f"{number}.png").write_bytes(content)
    assert load_folder(root).notes == (
        "colour of 16 bits a channel, of which the high 8 are read: 3 files",
    )


@pytest.mark.parametrize("top", [1, 20])
def test_images_of_8_bits_that_are_all_nearly_black_are_noted(root: Path, top: int) -> None:
    for number in range(4):
        values = np.zeros((4, 4), np.uint8)
        values[:number] = top
        save(values, root / f"{number}.png")
    data = load_folder(root)
    assert data.notes == (
        (
            f"all images are nearly black: their largest value is {top} of 255: "
            f"range='0,{top}' makes that white"
        ),
    )
    data = load_folder(root, range=(0, top))
    assert {*np.unique(np.concatenate([data.train.images, data.test.images]))} == {0, 255}
    assert not data.notes
    save(np.full((4, 4), 200, np.uint8), root / "4.png")
    assert not load_folder(root).notes, "one bright image, and the others are dark on purpose"


def png_of_16_bits(values: Any) -> bytes:
    """Return an RGB PNG of 16 bits a channel, which Pillow does not write."""
    import struct
    import zlib

    def chunk(name: bytes, body: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + crc

    height, width, _ = values.shape
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(lines)),
         chunk(b"IEND", b"")]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [(np.float32, 0, 1), (np.float32, -1, 1), (np.int32, -1000, 3000), (np.uint8, 0, 51)],
)
def test_a_range_reads_floats_32_bits_and_8(
    root: Path, dtype: Any, low: float, high: float
) -> None:
    for number, value in enumerate(np.linspace(low, high, 6)):
        save(np.full((2, 3), value, dtype), root / f"{number}.tif")
    if dtype is not np.uint8:
        assert refusal(root).endswith(": range=LOW,HIGH reads such images, or add others")
    data = load_folder(root, range=(low, high))
    exact = np.linspace(0, 255, 6)
    assert np.abs(np.array(found(data)) - exact).max() <= (0 if dtype is np.float32 else 5)
    assert data.spec.channels == 1
    assert not data.notes


def test_values_beyond_a_range_are_counted(root: Path) -> None:
    data = load_folder(scans(root, 4095), range=(0, 2047))
    assert data.notes == (
        "images with values beyond range='0,2047', which became black or white: 5",
    )
    for number in range(2):
        save(np.full((2, 2), np.nan, np.float32), root / f"nan{number}.tif")
    message = refusal(root, range=(0, 2047))
    assert "nan0.tif has a value that is not a number; 1 more image cannot be used" in message


def test_a_range_leaves_palettes_and_transparency_right(root: Path) -> None:
    limits = (0.0, 100.0)
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.save(root / "palette.png")
    spec = decoding.DataSpec("x", 3, 1, 2, None)
    pixels = decoding.decode_image(root / "palette.png", spec, "crop", limits)
    assert pixels[:, 0, 0].tolist() == [10, 20, 30]
    Image.fromarray(np.array([[[50, 0], [50, 255]]], np.uint8), "LA").save(root / "la.png")
    pixels = decoding.decode_image(root / "la.png", spec, "crop", limits)
    assert pixels[0, 0].tolist() == [255, 128], "transparency is not a stored value"


# --- pages and frames ---

PAGES = [np.full((4, 4), level, np.uint8) for level in (10, 20, 30)]


@pytest.mark.parametrize("suffix", ["gif", "tif", "png"])
def test_further_pages_are_noted_or_images(root: Path, suffix: str) -> None:
    first, *rest = map(Image.fromarray, PAGES)
    for number in range(4):
        first.save(root / f"{number}.{suffix}", save_all=True, append_images=rest)
    data = load_folder(root)
    assert found(data) == [10] * 4
    (note,) = data.notes
    assert note == (
        "files of several pages or frames: 4, with pages after the first that were not read: 8: "
        "pages='all' makes each an image"
    )
    data = load_folder(root, pages="all")
    assert found(data) == [10] * 4 + [20] * 4 + [30] * 4
    assert levels(data)[1] == [10, 20, 30], "all pages of a file are on one side"
    assert not data.notes


def test_pages_have_the_class_of_their_file(root: Path) -> None:
    first, *rest = map(Image.fromarray, PAGES)
    for kind in "ab":
        (root / kind).mkdir()
        for number in range(2):
            stack = rest if kind == "b" else []
            first.save(root / kind / f"{number}.tif", save_all=True, append_images=stack)
    data = load_folder(root, pages="all")
    assert data.train.labels.tolist() == data.test.labels.tolist() == [0, 1, 1, 1]


# --- formats that need a package ---


@pytest.mark.parametrize(
    ("name", "module", "reason"),
    [
        ("IMG_%d.HEIC", "pillow_heif", "is HEIC, which pillow-heif reads: pip install 'generati"),
        ("scan%d.dcm", "pydicom", "is DICOM, which pydicom reads: pip install 'generative-toolki"),
    ],
)
def test_an_image_that_needs_a_package_is_a_bad_image(
    root: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str, reason: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, f"{module}.pixels", None)
    monkeypatch.setattr(Image, "OPEN", {k: v for k, v in Image.OPEN.items() if k != "HEIF"})
    decoding.readable_formats.cache_clear()
    write_images(root, [f"{number}.jpg" for number in range(4)])
    for number in range(3):
        (root / (name % number)).write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))
    try:
        message = refusal(root)
        assert f"{name % 0} {reason}" in message
        assert "; 2 more images cannot be used: repair or remove it, or add bad_images=" in message
        data = load_folder(root, bad_images="skip")
        assert len(data.train) + len(data.test) == 4
        assert data.notes[0].startswith("bad images skipped: 3")
        for path in root.glob("*.jpg"):
            path.unlink()
        assert reason in refusal(root)
    finally:
        decoding.readable_formats.cache_clear()


def test_heic_is_read_where_pillow_heif_is_installed(root: Path) -> None:
    pytest.importorskip("pillow_heif")
    decoding.readable_formats()
    for number in range(3):
        save(np.full((64, 64, 3), 80 * number, np.uint8), root / f"{number}.heic", quality=-1)
    data = load_folder(root)
    shown = np.concatenate([data.train.images, data.test.images])
    assert data.spec.image_shape == (3, 64, 64)
    assert np.abs(np.sort(shown.mean(axis=(1, 2, 3))) - [0, 80, 160]).max() < 3


def write_dicom(path: Path, values: Any, **elements: Any) -> None:
    from pydicom import Dataset as Dicom
    from pydicom.uid import ExplicitVRLittleEndian

    values = np.asarray(values, np.uint16)
    dicom = Dicom()
    dicom.Rows, dicom.Columns = values.shape[-2:]
    dicom.SamplesPerPixel, dicom.PhotometricInterpretation = 1, "MONOCHROME2"
    dicom.BitsAllocated, dicom.BitsStored, dicom.HighBit = 16, 12, 11
    dicom.PixelRepresentation, dicom.PixelData = 0, values.tobytes()
    if values.ndim == 3:
        dicom.NumberOfFrames = len(values)
    dicom.SOPClassUID = dicom.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7"
    for name, value in elements.items():
        setattr(dicom, name, value)
    dicom.ensure_file_meta()
    dicom.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dicom.save_as(path, enforce_file_format=True)


def dicom_levels(
    root: Path, values: list[int], limits: tuple[float, ...] = (), **elements: Any
) -> list[int]:
    write_dicom(root / "x.dcm", [values], **elements)
    spec = decoding.DataSpec("x", 1, 1, len(values), None)
    return decoding.decode_image(root / "x.dcm", spec, "crop", limits)[0, 0].tolist()


def test_dicom_is_shown_as_its_window_says(root: Path) -> None:
    pytest.importorskip("pydicom")
    values = [0, 1024, 4095]
    assert dicom_levels(root, values) == [0, 64, 255], "of 12 stored bits"
    inverted = dicom_levels(root, values, PhotometricInterpretation="MONOCHROME1")
    assert inverted == [255, 191, 0]
    window = {"WindowCenter": 1024.5, "WindowWidth": 2048 + 1}
    assert dicom_levels(root, values, **window) == [0, 128, 255]
    rescaled = {"RescaleSlope": 2, "RescaleIntercept": -1024, "WindowCenter": [1024.5, 7]}
    assert dicom_levels(root, values, **rescaled, WindowWidth=[2049, 7]) == [0, 128, 255]
    assert dicom_levels(root, values, (0, 2048), **rescaled, WindowWidth=[2049, 7]) == [0, 128, 255]
    with pytest.raises(decoding.BadImage, match="cannot be read as DICOM .its window is SIGMOID"):
        dicom_levels(root, values, **window, VOILUTFunction="SIGMOID")


def test_a_frame_of_dicom_has_its_own_window_and_rescaling(root: Path) -> None:
    pytest.importorskip("pydicom")
    from pydicom import Dataset as Dicom

    def group(**elements: Any) -> Any:
        found = Dicom()
        for name, value in elements.items():
            setattr(found, name, value)
        return found

    windows = [group(WindowCenter=centre + 0.5, WindowWidth=201) for centre in (100, 300)]
    scales = [group(RescaleSlope=slope, RescaleIntercept=0) for slope in (1, 2)]
    write_dicom(
        root / "x.dcm",
        np.full((2, 1, 1), 150),
        SharedFunctionalGroupsSequence=[group(FrameVOILUTSequence=[windows[0]])],
        PerFrameFunctionalGroupsSequence=[
            group(PixelValueTransformationSequence=[scales[0]]),
            group(PixelValueTransformationSequence=[scales[1]], FrameVOILUTSequence=[windows[1]]),
        ],
        WindowCenter=1,
        WindowWidth=2,
    )
    with decoding.quiet_pillow():
        images = decoding.decode(root / "x.dcm", (1, 1, 1), "crop", all_pages=True).images
    assert images.ravel().tolist() == [191, 128]


def test_dicom_in_a_folder(root: Path) -> None:
    pytest.importorskip("pydicom")
    for number in range(4):
        write_dicom(root / f"{number}.dcm", np.full((2, 3, 4), 100 * number))
    data = load_folder(root)
    assert data.spec.image_shape == (1, 3, 4)
    assert (
        "files of several pages or frames: 4, with pages after the first that were not read: 4"
        in data.notes[0]
    )
    assert "nearly black: 4, with values up to 300: range='0,300'" in data.notes[1]
    data = load_folder(root, pages="all", range=(0, 300))
    assert found(data) == [0, 0, 85, 85, 170, 170, 255, 255]
    (root / "4.dcm").write_bytes(b"no image")
    assert "4.dcm cannot be read as DICOM (" in refusal(root)


def test_other_files_are_counted_by_suffix(root: Path) -> None:
    write_images(root, [f"{number}.png" for number in range(4)])
    for name in ("a.CR2", "b.cr2", "c.svg", "LICENSE"):
        (root / name).write_bytes(b"")
    (note,) = load_folder(root).notes
    assert note.endswith("those of images: 4 (2 .cr2, 1 .svg, 1 without suffix)")
    for path in root.glob("*.png"):
        path.unlink()
    assert "has no images but 2 .cr2, 1 .svg, 1 without suffix, with names such as" in refusal(root)


# --- links ---


def test_links_are_refused_with_the_option_or_followed(root: Path) -> None:
    outside = root.parent / "outside"
    write_images(outside, [f"cats/{number}.png" for number in range(3)])
    write_images(outside, [f"dogs/more/{number}.png" for number in range(3)])
    (root / "cat").symlink_to(outside / "cats")
    (root / "dog").symlink_to(outside / "dogs")
    (root / "dog" / "more" / "x.png").symlink_to(outside / "cats" / "0.png")
    message = refusal(root)
    assert "cat is a link that leads out of the folder; 1 more image " in message
    assert message.endswith(". follow_links=True follows such links")
    data = load_folder(root, follow_links=True)
    assert data.spec.condition is not None
    assert data.spec.condition.names == ("cat", "dog")
    assert len(data.train) + len(data.test) == 7
    assert not data.notes


def test_loops_of_links_end(root: Path) -> None:
    write_images(root, [f"{kind}/{number}.png" for kind in "ab" for number in range(3)])
    (root / "a" / "up").symlink_to("..")
    (root / "a" / "self").symlink_to(".")
    (root / "b" / "above").symlink_to(root.parent)
    (root / "b" / "again").symlink_to("../a")
    data = load_folder(root, follow_links=True)
    assert len(data.train) + len(data.test) == 6
    assert data.notes == (
        (
            "links to folders that are read already, or that lead back: a/self, a/up, b/above and "
            "1 more"
        ),
    )


def test_new_options_change_nothing_that_was_read_before(root: Path) -> None:
    write_image(root / "0.png", 7)
    write_image(root / "1.png", 9)
    assert found(load_folder(root)) == [7, 9]
    assert not load_folder(root).notes


# --- files whose names do not say that they are images ---


def test_images_without_a_suffix_are_read_by_their_content(root: Path) -> None:
    for number, form in enumerate(("PNG", "BMP", "GIF", "TIFF")):
        Image.new("L", (4, 4), number).save(root / f"{number}_", form)
    for number in range(4, 6):
        Image.new("L", (4, 4), number).save(root / f"1.2.840.{number}", "PNG")
    Image.new("L", (4, 4), 6).save(root / "6.png")
    for name in ("0.jpg_original", "1.jpg_original", "2.THM"):
        Image.new("L", (4, 4), 99).save(root / name, "JPEG")
    save(np.zeros((4, 4), np.uint8), root / "raw.tif").rename(root / "raw.nef")
    (root / "README").write_bytes(b"BM, GIF and \xff")
    data = load_folder(root)
    assert found(data) == [0, 1, 2, 3, 4, 5, 6]
    assert data.notes == (
        (
            "images recognized by their content: 3 PNG without suffix, 1 BMP without suffix, "
            "1 GIF without suffix, 1 TIFF without suffix"
        ),
        (
            "files skipped because their names do not end as those of images: 5 (2 JPEG named "
            ".jpg_original, 1 .nef, 1 JPEG named .thm, 1 without suffix)"
        ),
    )


def test_a_mask_and_a_table_know_images_without_a_suffix(root: Path) -> None:
    for number in range(6):
        Image.new("L", (4, 4), number).save(root / f"{number}", "PNG")
        Image.new("L", (4, 4), 255).save(root / f"{number}_mask", "PNG")
    (root / "metadata.csv").write_text("file_name,kind\n" + "0,a\n1,b\n2,a\n3,b\n4,a\n5,b\n")
    data = load_folder(root)
    assert found(data) == [*range(6)]
    assert data.spec.condition is not None
    assert data.spec.condition.names == ("a", "b")


def test_a_file_outside_and_a_pipe_are_not_opened_to_see_what_they_are(root: Path) -> None:
    write_images(root, ["0.png", "1.png"])
    write_image(root.parent / "outside.png").rename(root.parent / "outside")
    (root / "link").symlink_to(root.parent / "outside")
    os.mkfifo(root / "pipe")
    data = load_folder(root)
    assert found(data) == [0, 1]
    assert data.notes[0].endswith("2 (2 without suffix)")
    assert len(found(load_folder(root, follow_links=True))) == 3


def test_only_files_without_a_known_suffix_are_opened(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = list[str]()
    monkeypatch.setattr(folder_walk, "content_suffix", lambda path: opened.append(path.name) or "")
    write_images(root, ["0.png", "1.JPG"])
    for name in ("0.txt", "1.csv", "x", "y.cr2"):
        (root / name).write_bytes(b"")
    folder_walk.list_folder(root)
    assert sorted(opened) == ["x", "y.cr2"]


def test_dicom_without_a_suffix_needs_its_package(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(root, ["0.png", "1.png"])
    (root / "PAT0").mkdir()
    for name in ("IM000001", "1.2.840.113619.2.55", "x.ima"):
        (root / "PAT0" / name).write_bytes(bytes(128) + b"DICM" + bytes(99))
    index = b"\2\0\2\0UI\x14\0" + b"1.2.840.10008.1.3.10"
    (root / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + index + bytes(99))
    monkeypatch.setattr("gtk.plugins.datasets.dicom.installed", lambda: False)
    message = refusal(root, layout="flat")
    assert "PAT0/1.2.840.113619.2.55 is DICOM, which pydicom reads: pip install 'gene" in message
    assert "; 2 more images cannot be used: " in message
    data = load_folder(root, bad_images="skip", layout="flat")
    assert data.notes[-1].startswith("bad images skipped: 3 (PAT0/1.2.840")
    assert "those of images: 1 (1 without suffix)" in data.notes[1], "an index is no image"


def test_dicom_without_a_suffix_is_read(root: Path) -> None:
    pytest.importorskip("pydicom")
    for number, name in enumerate(("IM000001", "1.2.840.5", "x.ima", "y.dcm")):
        write_dicom(root / name, np.full((3, 4), 900 * number + 1100))
    data = load_folder(root)
    expected = [round((900 * number + 1100) / 4095 * 255) for number in range(4)]
    assert found(data) == expected
    assert data.notes == (
        "images recognized by their content: 2 DICOM without suffix, 1 DICOM named .ima",
    )
