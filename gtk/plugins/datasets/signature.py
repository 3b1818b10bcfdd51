"""What an image file holds, by its first bytes: for files whose names do not say it."""

import re
from pathlib import Path

from gtk.core.values.ordinary_file import open_ordinary

#: First bytes, by the usual suffix of the format; only those that other files do not begin with.
#: A DICOM file whose class is the last number is DICOMDIR, the index of a disc.
SIGNATURES = {
    suffix: re.compile(start, re.DOTALL)
    for suffix, start in {
        ".dicom": rb".{128}DICM(?!.*1\.2\.840\.10008\.1\.3\.10)",
        ".jpeg": rb"\xff\xd8\xff",
        ".png": rb"\x89PNG\r\n\x1a\n",
        ".gif": rb"GIF8[79]a",
        ".webp": rb"RIFF....WEBP",
        ".tiff": rb"II[*+]\0|MM\0[*+]",
        ".avif": rb"....ftypavi[fs]",
        ".heic": rb"....ftyp(?:he[iv][cmsx]|mif1.{4,16}hei[cmsx])",
        ".bmp": rb"BM....\0\0\0\0..\0\0[\x0c-\x7c]\0\0\0",
        ".jp2": rb"\0\0\0\x0cjP  \r\n\x87\n",
        ".psd": rb"8BPS\0\x01",
        ".qoi": rb"qoif",
    }.items()
}
#: Enough for the class of a DICOM file, which follows its signature.
LENGTH = 512


def content_suffix(path: Path) -> str:
    """Return the usual suffix of an image file's format, by its content; "" for other files."""
    try:
        with open_ordinary(path, follow=True) as file:
            head = file.read(LENGTH)
    except OSError:
        return ""
    return next((suffix for suffix, start in SIGNATURES.items() if start.match(head)), "")
