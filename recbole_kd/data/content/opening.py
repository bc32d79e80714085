"""A stranger's picture as RGB in bounded memory, or why it is none."""

from __future__ import annotations

import os
import stat
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 100_000_000
"""More is refused before a pixel is decoded: 400 MB in memory, as a file of some kilobytes may claim."""
MOST_SIDE = 65_535
"""As a JPEG can have at most. Pillow has no memory for a line of a hundred million pixels, however thin the picture."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")  # of JPEG, those of several pictures too


class NoPicture(ValueError):
    """Why a file is no picture, in a few words."""


def open_picture(path: Path, size: int) -> Image:
    """Read one picture.

    The content tells the format, whatever the name says. Of an animation this is the first frame; the orientation that
    a camera has noted is applied; 16-bit grey becomes 8-bit; what is transparent becomes white.

    Args:
        path: of a regular file; a link is not followed.
        size: pixels that the shorter side needs; a larger picture is made smaller, yet never below twice that.

    Returns:
        In mode RGB.

    Raises:
        NoPicture: the file is empty, cut short, broken, of another format, has more than :data:`MOST_PIXELS` or a
            side above :data:`MOST_SIDE`, is so thin that it would have too many pixels where its shorter side is
            ``size``, or memory runs out while it is opened.
    """
    from PIL import Image, ImageOps

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise NoPicture(str(error.strerror).lower()) from None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or not found.st_size:
        os.close(descriptor)
        raise NoPicture("empty file" if stat.S_ISREG(found.st_mode) else "no file")
    with open(descriptor, "rb") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(stream, formats=FORMATS) as opened:
                _check_size(opened.width, opened.height, size)
                opened.draft("RGB", (2 * size, 2 * size))  # a JPEG is decoded at a fraction of its size
                opened.load()
                smaller = _smaller(opened, size)
                return _rgb(ImageOps.exif_transpose(smaller))
        except NoPicture:
            raise
        except Image.DecompressionBombError:
            raise NoPicture(f"more than {MOST_PIXELS:,} pixels") from None
        except MemoryError:  # of one picture, and not of the command
            raise NoPicture("more memory is needed than there is") from None
        except Exception as error:  # a broken file makes Pillow's decoders raise nearly anything
            raise NoPicture(_reason(error)) from None


def _check_size(width: int, height: int, size: int) -> None:
    pixels = f"{width:,} × {height:,} pixels"
    if width * height > MOST_PIXELS:
        raise NoPicture(f"{pixels}, more than {MOST_PIXELS:,}")
    if max(width, height) > MOST_SIDE:
        raise NoPicture(f"{pixels}, a side above {MOST_SIDE:,}")
    # an encoder's own processor makes the shorter side so long, and the other one in proportion
    if max(width, height) * size**2 > MOST_PIXELS * min(width, height):
        raise NoPicture(f"{pixels}, too thin")


def _smaller(picture: Image, size: int) -> Image:
    factor = min(picture.size) // (2 * size)
    if factor < 2 or picture.mode not in ("L", "RGB", "RGBA", "LA", "CMYK", "YCbCr"):
        return picture  # reduce would average the numbers of a palette
    smaller = picture.reduce(factor)
    smaller.info = picture.info
    exif: Any = picture.getexif()
    if exif:
        smaller.info = {**picture.info, "exif": exif.tobytes()}
    return smaller


def _rgb(picture: Image) -> Image:
    from PIL import Image

    if picture.mode.startswith(("I", "F")):
        picture = _eight_bits(picture)
    if picture.mode == "P" and "transparency" not in picture.info:
        return picture.convert("RGB")
    if picture.has_transparency_data:
        clear = picture.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        return Image.alpha_composite(white, clear).convert("RGB")
    return picture.convert("RGB")


def _eight_bits(picture: Image) -> Image:
    """Grey of 16 or 32 bits, or of numbers, in 8: by its own range where that is not that of 16 bits."""
    import numpy as np
    from PIL import Image

    values = np.asarray(picture)
    if values.dtype.kind in "iu" and values.max(initial=0) < 2**16:
        return Image.fromarray((np.maximum(values, 0) >> 8).astype(np.uint8))
    values = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    return Image.fromarray(((values - low) * (255.0 / max(high - low, 1e-12))).astype(np.uint8))


def _reason(error: Exception) -> str:
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "no picture of a known format"
    return " ".join(str(error).split()).lower()[:80] or type(error).__name__
