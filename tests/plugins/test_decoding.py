"""Image files to pixels: each rule with its exact pixels, and what is refused."""

import io
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from gtk.core.values.dataset import DataSpec
from gtk.plugins.datasets import Fit, decoding
from gtk.plugins.datasets.decoding import BadImage, decode_image, inspect, quiet_pillow
from gtk.plugins.datasets.fitting import fit_image


def spec(channels: int, height: int, width: int) -> DataSpec:
    return DataSpec("test", channels, height, width, None)


def saved(image: Image.Image, path: Path = Path("image.png"), **options: Any) -> Path:
    image.save(path, **options)
    return path


def grey(*rows: list[int]) -> Image.Image:
    return Image.fromarray(np.array(rows, dtype=np.uint8))


def colour(*pixels: tuple[int, ...], mode: str = "RGB") -> Image.Image:
    """Return one row of pixels."""
    image = Image.new(mode, (len(pixels), 1))
    image.putdata(pixels)
    return image


def row(path: Path, channels: int, width: int) -> list[Any]:
    """Return one row of pixels as decoded: grey levels or (red, green, blue)."""
    pixels = decode_image(path, spec(channels, 1, width))
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    if channels == 1:
        return pixels[0, 0].tolist()
    return [tuple(pixel) for pixel in pixels[:, 0].T.tolist()]


def test_grey_and_colour_are_kept_level_by_level() -> None:
    levels = list(range(256))
    assert row(saved(grey(levels)), 1, 256) == levels
    pixels = [(1, 2, 3), (250, 128, 0)]
    assert row(saved(colour(*pixels)), 3, 2) == pixels


def test_colour_becomes_grey_by_luma_and_grey_colour_by_repetition() -> None:
    path = saved(colour((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)))
    assert row(path, 1, 4) == [76, 150, 29, 255]  # 0.299, 0.587 and 0.114 of 255
    assert row(saved(grey([7, 8])), 3, 2) == [(7, 7, 7), (8, 8, 8)]


def test_a_palette_is_looked_up() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([1, 0])
    assert row(saved(image), 3, 2) == [(40, 50, 60), (10, 20, 30)]
    assert row(saved(image, transparency=1), 3, 2) == [(255, 255, 255), (10, 20, 30)]


def test_transparency_lies_on_white() -> None:
    path = saved(colour((0, 0, 0, 0), (0, 0, 0, 128), (9, 8, 7, 255), mode="RGBA"))
    assert row(path, 3, 3) == [(255, 255, 255), (127, 127, 127), (9, 8, 7)]
    path = saved(colour((0, 0), (0, 51), (80, 255), mode="LA"))
    assert row(path, 1, 3) == [255, 204, 80]
    assert row(saved(grey([5, 6]), transparency=5), 1, 2) == [255, 6]


def test_one_bit_is_black_or_white() -> None:
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert row(saved(image), 1, 2) == [0, 255]


@pytest.mark.parametrize("name", ["image.png", "image.tif", "image.pgm"])
def test_16_bits_become_the_nearest_of_8(name: str) -> None:
    values = np.array([[0, 128, 129, 385, 386, 0x8000, 65406, 65407, 65535]], dtype=np.uint16)
    path = saved(Image.fromarray(values), Path(name))
    assert row(path, 1, 9) == [0, 0, 1, 1, 2, 128, 254, 255, 255]
    assert row(path, 1, 9) == np.rint(values / 257)[0].tolist()


def test_a_transparent_level_of_16_bits_is_white() -> None:
    path = saved(Image.fromarray(np.array([[300, 301]], dtype=np.uint16)))
    chunks = path.read_bytes()
    body = b"tRNS" + struct.pack(">H", 300)
    chunk = struct.pack(">I", 2) + body + struct.pack(">I", zlib.crc32(body))
    where = chunks.index(b"IDAT") - 4
    path.write_bytes(chunks[:where] + chunk + chunks[where:])
    assert row(path, 1, 2) == [255, 1]


def test_32_bit_and_floating_point_pixels_are_refused() -> None:
    for values, what in ((np.int32, "whole numbers of 32 bits"), (np.float32, "floating-point")):
        path = saved(Image.fromarray(np.zeros((1, 2), dtype=values)), Path("image.tif"))
        with pytest.raises(BadImage, match=f"image.tif has {what}.* 8 or 16 bits"):
            row(path, 1, 2)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB", "HSV"])
def test_other_colours_are_converted(mode: str) -> None:
    if mode == "HSV":  # which no format holds
        assert decoding._plain(colour((85, 255, 200), mode="HSV")).getpixel((0, 0)) == (
            0, 200, 0,
        )  # fmt: skip
        return
    image = colour((10, 128, 200, 30)[: 4 if mode == "CMYK" else 3], mode=mode)
    path = saved(image, Path("image.tif"))
    assert row(path, 3, 1) == [image.convert("RGB").getpixel((0, 0))]


def test_the_first_frame_of_an_animation_is_taken() -> None:
    frames = [grey([level] * 2) for level in (10, 20, 30)]
    for name in ("image.gif", "image.png", "image.tif"):
        path = saved(frames[0], Path(name), save_all=True, append_images=frames[1:])
        assert row(path, 1, 2) == [10, 10]


@pytest.mark.parametrize("name", ["image.jpg", "image.png", "image.tif", "image.webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_upright(name: str, orientation: int) -> None:
    pattern = np.arange(24, dtype=np.uint8).reshape(4, 6).repeat(8, 0).repeat(8, 1) * 9
    image = Image.fromarray(pattern).convert("RGB")
    exif = Image.Exif()
    exif[decoding.ORIENTATION] = orientation
    options = {"lossless": True} if name.endswith("webp") else {}
    path = saved(image, Path(name), exif=exif, **options)
    with Image.open(path) as reread:
        expected = ImageOps.exif_transpose(reread).convert("L")
    header = inspect(path)
    assert (header.width, header.height) == expected.size
    assert expected.size == ((32, 48) if orientation >= 5 else (48, 32))
    pixels = decode_image(path, spec(1, header.height, header.width))
    assert np.array_equal(pixels[0], np.asarray(expected))


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_does_not_exist_is_none(orientation: int) -> None:
    exif = Image.Exif()
    exif[decoding.ORIENTATION] = orientation
    assert row(saved(grey([1, 2]), exif=exif), 1, 2) == [1, 2]
    assert row(saved(grey([1, 2]), exif=b"Exif\0\0nonsense"), 1, 2) == [1, 2]


def test_crop_cuts_out_the_middle_and_leaves_its_levels() -> None:
    path = saved(grey([10, 20, 30, 40, 50, 60], [11, 21, 31, 41, 51, 61]))
    assert decode_image(path, spec(1, 2, 2)).tolist() == [[[30, 40], [31, 41]]]
    tall = saved(grey([1], [2], [3]))
    assert decode_image(tall, spec(1, 1, 1)).tolist() == [[[2]]]


def test_pad_puts_the_whole_image_on_black() -> None:
    path = saved(grey([10, 20, 30, 40], [11, 21, 31, 41]))
    pixels = decode_image(path, spec(1, 5, 4), "pad")
    assert pixels.tolist() == [[[0] * 4, [10, 20, 30, 40], [11, 21, 31, 41], [0] * 4, [0] * 4]]


def test_stretch_scales_the_sides_apart() -> None:
    path = saved(grey([0, 0, 200, 200]))
    assert decode_image(path, spec(1, 3, 4), "stretch").tolist() == [[[0, 0, 200, 200]] * 3]


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(64, 48), (7, 31), (100, 100), (1, 1)])
def test_scaling_averages_and_keeps_the_mean(fit: Fit, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 100), dtype=np.uint8)
    fitted = fit_image(Image.fromarray(noise), size, fit)
    assert fitted.size == size
    if fit == "stretch" and size == (1, 1):
        assert fitted.getpixel((0, 0)) == pytest.approx(noise.mean(), abs=8)


def test_crop_equals_scaling_the_whole_and_cutting() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)
    image = Image.fromarray(noise)
    whole = np.asarray(image.resize((30, 20), Image.Resampling.BICUBIC))
    assert np.array_equal(np.asarray(fit_image(image, (20, 20), "crop")), whole[:, 5:25])


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_a_very_long_image_does_not_fill_the_memory(fit: Fit) -> None:
    image = Image.new("L", (1, 2_000_000), 9)
    pixels = np.asarray(fit_image(image, (64, 64), fit))
    assert pixels.shape == (64, 64)
    assert (pixels == 9).sum() == (64 if fit == "pad" else 64 * 64)
    assert (pixels[:, 31] == 9).all(), "the one column of pad is in the middle"


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that says it is large, and ends there."""

    def chunk(name: bytes, body: bytes) -> bytes:
        size, crc = struct.pack(">I", len(body)), struct.pack(">I", zlib.crc32(name + body))
        return size + name + body + crc

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def encoded(form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, form, **options)
    return stream.getvalue()


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is empty"),
    "text": (lambda: b"no image at all\n", "is not an image that gtk can read"),
    "truncated-png": (lambda: encoded("PNG")[:3000], "is damaged"),
    "truncated-jpeg": (lambda: encoded("JPEG")[:1500], "is damaged"),
    "truncated-webp": (lambda: encoded("WEBP")[:500], "is damaged"),
    "truncated-tiff": (lambda: encoded("TIFF")[:500], "is "),  # its table of contents is at the end
    "truncated-bmp": (lambda: encoded("BMP")[:5000], "is damaged"),
    "bomb": (lambda: png_header(50_000, 50_000), "has more than 89,478,485 pixels"),
    "large": (lambda: png_header(10_000, 10_000), "has 10000x10000 pixels, more than 89,478,485"),
    "just-too-large": (lambda: png_header(89_478_486, 1), "has 89478486x1 pixels"),
    "eps": (lambda: encoded("EPS"), "is not an image that gtk can read"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_named_in_one_line(name: str) -> None:
    make, reason = BAD[name]
    path = Path("image.png")
    path.write_bytes(make())
    with pytest.raises(BadImage, match=f"^image.png {reason}") as error:
        decode_image(path, spec(3, 64, 64))
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2


def test_damage_is_not_logged_for_want_of_a_listener() -> None:
    code = encoded("TIFF")
    start = code.index(struct.pack("<HHI", 0x0115, 3, 1))  # samples per pixel
    Path("image.tif").write_bytes(code[: start + 8] + b"\xff\x7f" + code[start + 10 :])
    program = (
        "from pathlib import Path\n"
        "from gtk.plugins.datasets.decoding import BadImage, inspect\n"
        "try: inspect(Path('image.tif'))\n"
        "except BadImage: print('bad')\n"
    )
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("bad\n", "")


def test_the_most_pixels_are_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MOST_PIXELS", 6)
    assert row(saved(grey([1, 2, 3, 4, 5, 6])), 1, 6) == [1, 2, 3, 4, 5, 6]
    with pytest.raises(BadImage, match="has 7x1 pixels, more than 6: scale it down"):
        row(saved(grey([1] * 7)), 1, 7)


def test_no_other_program_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import EpsImagePlugin

    def start(*arguments: object) -> None:
        raise AssertionError("Ghostscript would have been started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", start)
    Path("image.png").write_bytes(encoded("EPS"))
    with pytest.raises(BadImage):
        decode_image(Path("image.png"), spec(3, 8, 8))
    assert ".eps" not in decoding.image_suffixes()
    assert not {"EPS", "WMF", "IPTC", "FITS"} & {*decoding.readable_formats()}
    assert {".png", ".jpg", ".jpeg", ".mpo", ".tga", ".webp"} <= decoding.image_suffixes()


def test_a_file_that_cannot_be_opened_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadImage, match="^missing.png cannot be read .No such file or directory"):
        decode_image(Path("missing.png"), spec(1, 8, 8))

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(BadImage, match="^x.png cannot be read .Permission denied"):
        decode_image(Path("x.png"), spec(1, 8, 8))


def test_names_cannot_break_a_line_or_steer_a_terminal() -> None:
    path = Path("two\nlines\x1b[31m.png")
    path.write_bytes(b"")
    with pytest.raises(BadImage) as error:
        decode_image(path, spec(1, 8, 8))
    assert str(error.value) == "two\\nlines\\x1b[31m.png is empty"


def test_what_pillow_warns_of_stays_unheard_in_all_threads() -> None:
    Path("large.png").write_bytes(png_header(10_000, 10_000))
    heard: list[BaseException] = []

    def work() -> None:
        try:
            decoding.inspect(Path("large.png"))
        except BaseException as error:  # noqa: BLE001 - that is what is looked at
            heard.append(error)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet_pillow():
            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert not caught
    assert [type(error) for error in heard] == [BadImage] * 4
    assert all("has 10000x10000 pixels" in str(error) for error in heard)


def test_a_header_is_read_without_decoding() -> None:
    assert inspect(saved(grey([1, 2, 3]))) == decoding.Header(1, 3, grey=True)
    assert inspect(saved(colour((1, 2, 3)))) == decoding.Header(1, 1, grey=False)
    path = saved(Image.fromarray(np.zeros((64, 64, 3), dtype=np.uint8)))
    path.write_bytes(path.read_bytes()[:60])
    assert inspect(path).width == 64
