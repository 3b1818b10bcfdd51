"""Scaling, cropping and padding of images to one size."""

from PIL import Image

from gtk.plugins.datasets import Fit


def fit_image(image: Image.Image, size: tuple[int, int], fit: Fit) -> Image.Image:
    """Return an image of mode L or RGB in another size (width, height).

    Bicubic interpolation, with antialiasing when it shrinks; unchanged if it has the size.
    """
    if image.size == size:
        return image
    if fit == "pad":
        return _padded(image, size)
    box = _centre(image.size, size) if fit == "crop" else None
    return image.resize(size, Image.Resampling.BICUBIC, box=box)


def cut_centre(image: Image.Image, centre: tuple[int, ...]) -> Image.Image:
    """Return the square in the centre of an image of a certain size; see `Preprocessing`."""
    if not centre or image.size != centre[:2]:
        return image
    side = centre[2]
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _centre(old: tuple[int, int], new: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the largest box in the centre of the old size that has the shape of the new one.

    Cropping comes before scaling, so that 1 x 1,000,000 pixels never become 64 x 64,000,000.
    """
    width = min(float(old[0]), old[1] * new[0] / new[1])
    height = min(float(old[1]), old[0] * new[1] / new[0])
    left, top = (old[0] - width) / 2, (old[1] - height) / 2
    return left, top, min(left + width, old[0]), min(top + height, old[1])


def _padded(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return the image in the centre of black; an odd pixel of border is right or below."""
    scale = min(size[0] / image.width, size[1] / image.height)
    inner = (
        max(1, min(size[0], round(image.width * scale))),
        max(1, min(size[1], round(image.height * scale))),
    )
    canvas = Image.new(image.mode, size)
    corner = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    canvas.paste(image.resize(inner, Image.Resampling.BICUBIC), corner)
    return canvas
