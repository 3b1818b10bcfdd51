"""Numbers that nothing can have, and damaged images, are one line and exit code 2."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import gtk
from gtk.pictures.embedded import Picture

Command = Callable[..., Any]
DIGITS = "1" * 5_000

LINES = [
    ("train --plugin cvae --threads 1000000000", "threads must be 1024 or less, not 1000000000"),
    ("train --plugin cvae --threads -1", "threads must be 0 or more, not -1"),
    ("train --plugin cvae --epochs 1" + 30 * "0", "epochs must be 9223372036854775807 or less"),
    ("train --plugin cvae --latent-dim 1" + 30 * "0", "'cvae' cannot be built for digits: a"),
    ("train --plugin cvae --latent-dim 1" + 18 * "0", "a layer of 8.0 EiB is too large. Use"),
    (
        "train --plugin cvae --hidden-dims 1" + 30 * "0",
        "'cvae' cannot be built for digits: a",
    ),
    ("train --plugin cvae --free-bits 1e308", "free_bits is too large for float32: 1e+308"),
    ("train --plugin cvae --beta 4e38", "beta is too large for float32: 4e+38"),
    ("train --plugin cvae --learning-rate 1e308", "learning_rate is too large for float32: 1e+308"),
    ("train --plugin cvae --keep-checkpoints 1" + 30 * "0", "keep_checkpoints must be 9223372036"),
    ("train --plugin cvae --batch-size 1" + 18 * "0", "is more than the 1440 training images"),
    *(
        (f"train --plugin cvae --{name} {DIGITS}", "' has too many digits. See: gtk train --help")
        for name in ("threads", "seed", "epochs", "batch-size", "latent-dim", "shift")
    ),
    (f"train --plugin cvae --hidden-dims {DIGITS}", "must be whole numbers such as"),
    (f"train --plugin cvae --plugin {DIGITS}", "unknown model '1111"),
    (f"train --plugin cvae --data {DIGITS}", "a name is too long for a file"),
    (f"train --plugin cvae --runs {DIGITS}", "a name is too long for a file"),
    (f"train --resume {DIGITS}", "a name is too long for a file"),
    (f"sample RUN --checkpoint {DIGITS} --out a.png", "has no checkpoint '1111"),
    ("sample RUN --checkpoint 1" + 30 * "0" + " --out a.png", "has no checkpoint '1000"),
    (f"export RUN --checkpoint {DIGITS} --out a.onnx", "has no checkpoint '1111"),
    (f"inspect RUN --checkpoint {DIGITS}", "has no checkpoint '1111"),
    (f"sample RUN --seed {DIGITS} --out a.png", "' has too many digits"),
    (f"sample RUN -n {DIGITS} --out a.png", "' has too many digits"),
    (f"interpolate RUN --images {DIGITS} 3 --out a.png", "there is no test image 1111"),
    (f"bench RUN --batch-size {DIGITS}", "must be whole numbers such as"),
]


@pytest.mark.parametrize(
    ("line", "message"), LINES, ids=[line.replace(DIGITS, "D")[:70] for line, _ in LINES]
)
def test_a_number_that_nothing_has_is_one_line(
    gtk_command: Command, small_run: gtk.Run, workplace: Path, line: str, message: str
) -> None:
    result = gtk_command(*line.replace("RUN", str(small_run.path)).split())
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert message in result.err
    assert len(result.err) < 1_000
    assert not list(workplace.iterdir())


@pytest.mark.usefixtures("no_pictures")
def test_a_seed_may_have_any_size() -> None:
    config: dict[str, Any] = {"epochs": 1, "hidden_dims": (8,), "quiet": True}
    run = gtk.train("cvae", seed=2**127, **config)
    assert gtk.load(run.path).settings.train.seed == 2**127


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("samples", [10**18, 10**30])
def test_a_step_too_large_for_any_memory_is_one_line(gtk_command: Command, samples: int) -> None:
    line = f"train --plugin cvae --quiet --loss iwae --samples {samples}"
    result = gtk_command(*line.split())
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert (
        "out of memory (asked for 8.0 EiB more) while training on images of 8x8 pixels"
        in result.err
    )


def chunk(kind: bytes, content: bytes) -> bytes:
    size, check = struct.pack(">I", len(content)), struct.pack(">I", zlib.crc32(kind + content))
    return size + kind + content + check


def damaged_images() -> dict[str, bytes]:
    """Return PNG files that cannot be read, each in its own way."""
    buffer = BytesIO()
    Image.new("L", (8, 8), 3).save(buffer, format="PNG")
    whole = buffer.getvalue()
    pixels, end = chunk(b"IDAT", zlib.compress(b"\0")), chunk(b"IEND", b"")
    sizes = {"no pixels": 0, "huge": 2**31 - 1, "cut pixels": 8}
    return {
        "empty": b"",
        "short header": whole[:8] + chunk(b"IHDR", b"\0\0"),
        "cut in the signature": whole[:6],
        "cut in the header": whole[:20],
        "cut in the pixels": whole[: whole.index(b"IDAT") + 6],
        "text": b"not a picture",
        **{
            name: whole[:8]
            + chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0))
            + pixels
            + end
            for name, size in sizes.items()
        },
    }


@pytest.mark.parametrize("name", damaged_images())
def test_a_damaged_image_is_one_line(
    gtk_command: Command, small_run: gtk.Run, workplace: Path, name: str
) -> None:
    path = workplace / "mine.png"
    path.write_bytes(damaged_images()[name])
    # A report reads checksums alone; a browser shows as many pixels as there are.
    assert name == "cut pixels" or Picture.read(path) is None, "a report leaves it out"
    for line in ("reconstruct RUN mine.png", "interpolate RUN --images mine.png 3"):
        words = line.replace("RUN", str(small_run.path)).split()
        result = gtk_command(*words, "--label", 3, "--out", "a.png")
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
        assert result.err.startswith("gtk: error: mine.png ")
    assert [path.name for path in workplace.iterdir()] == ["mine.png"]
