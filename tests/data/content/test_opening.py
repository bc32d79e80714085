"""Pictures of all kinds, sound and not. Pillow is there wherever matplotlib is."""

import io
import struct
import zlib

import numpy as np
import pytest

from recbole_kd.data.content import opening
from recbole_kd.data.content.opening import NoPicture, open_picture

Image = pytest.importorskip("PIL.Image", reason="pillow is not installed (recbole-kd[content])")
RED = (200, 30, 40)


def colour(picture, place=(0, 0)):
    assert picture.mode == "RGB"
    return picture.getpixel(place)


def near(found, expected, by=12):
    return all(abs(one - other) <= by for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.gif", "a.bmp", "a.tif"])
def test_kinds_of_files(tmp_path, name):
    Image.new("RGB", (40, 30), RED).save(tmp_path / name)
    assert near(colour(open_picture(tmp_path / name, 16)), RED)


@pytest.mark.parametrize("mode", ["CMYK", "L", "1", "P", "YCbCr"])
def test_kinds_of_colours(tmp_path, mode):
    path = tmp_path / ("a.tif" if mode in ("CMYK", "YCbCr") else "a.png")
    Image.new("RGB", (20, 20), "white").convert(mode).save(path)
    assert near(colour(open_picture(path, 8)), (255, 255, 255))


def test_a_cmyk_jpeg(tmp_path):
    Image.new("CMYK", (40, 40), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    red, green, _ = colour(open_picture(tmp_path / "a.jpg", 8))
    assert red > 200
    assert green < 80


def test_what_is_transparent_is_white(tmp_path):
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert colour(open_picture(tmp_path / "a.png", 8)) == (255, 255, 255)
    palette = Image.new("P", (20, 20), 1)
    palette.putpalette([0, 0, 0, 9, 9, 9])
    palette.save(tmp_path / "b.png", transparency=1)
    assert colour(open_picture(tmp_path / "b.png", 8)) == (255, 255, 255)


def test_grey_of_16_bits(tmp_path):
    values = np.linspace(0, 65535, 400).reshape(20, 20).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    picture = open_picture(tmp_path / "a.png", 8)
    assert colour(picture) == (0, 0, 0)
    assert colour(picture, (19, 19)) == (255, 255, 255)
    assert near(colour(picture, (10, 10)), [values[10, 10] / 257] * 3)


def test_numbers_with_fractions(tmp_path):
    Image.fromarray(np.array([[0.0, 0.5], [np.nan, 1.0]], np.float32)).save(tmp_path / "a.tif")
    assert colour(open_picture(tmp_path / "a.tif", 1), (1, 1)) == (255, 255, 255)


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (20, 20), shade) for shade in (RED, "blue", "green")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert near(colour(open_picture(tmp_path / "a.gif", 8)), RED)


@pytest.mark.parametrize("size", [(40, 20), (800, 400)])
def test_the_orientation_that_a_camera_noted(tmp_path, size):
    picture = Image.new("RGB", size, "white")
    picture.paste(RED, (0, 0, size[0] // 2, size[1]))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter, clockwise
    picture.save(tmp_path / "a.jpg", exif=exif)
    found = open_picture(tmp_path / "a.jpg", 10)
    assert found.height > found.width
    assert near(colour(found, (found.width // 2, 2)), RED)
    assert near(colour(found, (found.width // 2, found.height - 3)), (255, 255, 255))


def test_a_large_picture_becomes_smaller(tmp_path):
    Image.new("RGB", (5000, 4000), RED).save(tmp_path / "a.jpg")
    Image.new("RGB", (5000, 4000), RED).save(tmp_path / "a.png")
    for name in ("a.jpg", "a.png"):
        found = open_picture(tmp_path / name, 100)
        assert 200 <= min(found.size) < 1000
        assert near(colour(found), RED)


def test_a_wrong_ending_does_not_matter(tmp_path):
    Image.new("RGB", (20, 20), RED).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert colour(open_picture(tmp_path / "a.jpg", 8)) == RED


def bomb(width: int, height: int) -> bytes:
    """A PNG of some bytes that claims a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"0" * 99)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty file"),
        (b"not a picture at all", "no picture of a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture of a known format"),
        (bomb(11_000, 10_000), "11,000 × 10,000 pixels, more than 100,000,000"),
        (bomb(100_000, 100_000), "more than 100,000,000 pixels"),
        (bomb(100_000_000, 1), "100,000,000 × 1 pixels, a side above 65,535"),
        (bomb(1, 65_536), "1 × 65,536 pixels, a side above 65,535"),
        (bomb(50, 50), "."),
    ],
)
def test_what_is_no_picture(tmp_path, content, says):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(NoPicture, match=says):
        open_picture(tmp_path / "a.png", 8)


def test_a_strip_that_an_encoder_would_make_huge(tmp_path):
    Image.new("L", (60_000, 20), 200).save(tmp_path / "a.png")
    assert open_picture(tmp_path / "a.png", 100).size == (60_000, 20)
    with pytest.raises(NoPicture, match="60,000 × 20 pixels, too thin"):
        open_picture(tmp_path / "a.png", 224)


def test_memory_that_runs_out_is_of_one_picture(tmp_path, monkeypatch):
    def decode(*_):
        raise MemoryError

    Image.new("RGB", (20, 20), RED).save(tmp_path / "a.png")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decode)
    with pytest.raises(NoPicture, match="more memory is needed than there is"):
        open_picture(tmp_path / "a.png", 8)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_what_is_cut_short_at_any_place(tmp_path, form):
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, form)
    whole = stream.getvalue()
    for share in (0.02, 0.3, 0.6):
        (tmp_path / "a").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(NoPicture):
            open_picture(tmp_path / "a", 8)


def test_links_and_folders(tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "c.png").mkdir()
    for name in ("b.png", "c.png", "gone.png"):
        with pytest.raises(NoPicture):
            open_picture(tmp_path / name, 8)


def test_the_limit_is_below_what_fits_a_machine():
    assert opening.MOST_PIXELS * 4 < 2**30
