from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from PIL import Image

from napari_medsam.formats.common.errors import ReadError, SaveError, SeveralFrames
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.labels.read import read_labels
from napari_medsam.formats.labels.write import write_labels

RNG = np.random.default_rng(0)


def save(path: Path, array: np.ndarray, mode: str | None = None) -> Path:
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_8_bit_grey(tmp_path: Path, suffix: str) -> None:
    pixels = RNG.integers(0, 256, (7, 5), dtype=np.uint8)
    volume = read_image(save(tmp_path / f"a{suffix}", pixels)).volume
    np.testing.assert_array_equal(volume.voxels, pixels[None])
    assert volume.is_flat


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_grey_keeps_all_bits(tmp_path: Path, suffix: str) -> None:
    pixels = RNG.integers(0, 65536, (7, 5), dtype=np.uint16)
    voxels = read_image(save(tmp_path / f"a{suffix}", pixels)).volume.voxels
    assert voxels.dtype == np.uint16
    np.testing.assert_array_equal(voxels, pixels[None])


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_rgb_keeps_its_order(tmp_path: Path, suffix: str) -> None:
    pixels = RNG.integers(0, 256, (7, 5, 3), dtype=np.uint8)
    volume = read_image(save(tmp_path / f"a{suffix}", pixels)).volume
    assert volume.is_rgb
    np.testing.assert_array_equal(volume.voxels, pixels[None])


def test_jpeg_is_nearly_the_same(tmp_path: Path) -> None:
    pixels = np.full((16, 16, 3), (200, 40, 90), dtype=np.uint8)
    voxels = read_image(save(tmp_path / "a.jpg", pixels)).volume.voxels
    assert np.abs(voxels.astype(int) - pixels[None]).max() <= 4


def test_transparency_is_dropped_and_told(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (7, 5, 4), dtype=np.uint8)
    image = read_image(save(tmp_path / "a.png", pixels))
    np.testing.assert_array_equal(image.volume.voxels, pixels[None, ..., :3])
    assert any("transparency" in note for note in image.notes)


def test_opaque_rgba_is_read_without_a_word(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (7, 5, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    assert read_image(save(tmp_path / "a.png", pixels)).notes == ()


def test_palette_gives_its_colours(tmp_path: Path) -> None:
    pixels = np.zeros((7, 5, 3), dtype=np.uint8)
    pixels[2, 3] = (255, 0, 10)
    image = Image.fromarray(pixels).quantize(4)
    assert image.mode == "P"
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").volume.voxels, pixels[None])


def test_grey_with_alpha_gives_the_grey(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (7, 5), dtype=np.uint8)
    image = Image.fromarray(pixels).convert("LA")
    image.putalpha(7)
    image.save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(read.volume.voxels, pixels[None])
    assert any("transparency" in note for note in read.notes)


def test_one_bit_picture_has_two_values(tmp_path: Path) -> None:
    pixels = np.zeros((7, 5), dtype=np.uint8)
    pixels[3, 2] = 255
    voxels = read_image(save(tmp_path / "a.png", pixels, "1")).volume.voxels
    np.testing.assert_array_equal(voxels[0] > 0, pixels > 0)


def test_16_bit_rgb_is_scaled_to_8_bits(tmp_path: Path) -> None:
    pixels = np.zeros((7, 5, 3), dtype=np.uint16)
    pixels[0, 0] = (65535, 257, 32896)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb")
    read = read_image(tmp_path / "a.tif")
    assert read.volume.voxels[0, 0, 0].tolist() == [255, 1, 128]
    assert any("16-bit" in note for note in read.notes)


def deep_png(path: Path, pixels: np.ndarray, colour_type: int) -> Path:
    """A PNG of 16 bits and any colour type, put together by hand."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    rows, columns = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", columns, rows, 16, colour_type, 0, 0, 0)
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    return path


def test_16_bit_grey_with_alpha_stays_grey_and_says_what_is_lost(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 65536, (7, 5, 2), dtype=np.uint16)
    read = read_image(deep_png(tmp_path / "a.png", pixels, 4))
    assert not read.volume.is_rgb
    np.testing.assert_allclose(read.volume.voxels[0], pixels[..., 0] / 257, atol=1)
    assert any("8 bits" in note for note in read.notes)


def test_16_bit_colours_of_a_png_are_rounded_and_told(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 65536, (7, 5, 3), dtype=np.uint16)
    read = read_image(deep_png(tmp_path / "a.png", pixels, 2))
    np.testing.assert_array_equal(read.volume.voxels[0], np.rint(pixels / 257))
    assert any("16-bit" in note for note in read.notes)


def test_pages_of_a_tiff_are_slices(tmp_path: Path) -> None:
    pages = RNG.integers(0, 256, (4, 7, 5), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack")
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.volume.voxels, pages)
    assert any("4 pages" in note for note in image.notes)
    known = read_image(tmp_path / "a.tif", spacing_xyz=(0.5, 0.5, 2.0))
    assert known.volume.spacing_xyz == (0.5, 0.5, 2.0)
    assert known.notes == ()


def test_dpi_is_not_taken_for_millimetres(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((7, 5), np.uint8)).save(tmp_path / "a.png", dpi=(300, 300))
    assert read_image(tmp_path / "a.png").volume.spacing_xyz == (1.0, 1.0, 1.0)


def test_content_counts_more_than_the_name(tmp_path: Path) -> None:
    pixels = np.full((16, 16), 9, dtype=np.uint8)
    save(tmp_path / "a.png", pixels).rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg").volume.voxels, pixels[None])


def test_text_named_png_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(ReadError, match="not a PNG, JPEG, BMP or TIFF"):
        read_image(tmp_path / "a.png")


class TestLabelsOfAPicture:
    @pytest.mark.parametrize("suffix", [".png", ".tif", ".nii.gz", ".mha"])
    @pytest.mark.parametrize("highest", [3, 300])
    def test_same_size_and_numbers(self, tmp_path: Path, suffix: str, highest: int) -> None:
        image = read_image(save(tmp_path / "image.png", np.zeros((7, 5, 3), np.uint8)))
        labels = np.zeros((1, 7, 5), dtype=int)
        labels[0, 2, 4] = highest
        saved = write_labels(tmp_path / f"labels{suffix}", labels, image.grid)
        np.testing.assert_array_equal(read_labels(saved.path, image.grid), labels)
        assert sitk.ReadImage(str(saved.path)).GetSize() == (5, 7)

    def test_png_labels_are_plain_numbers_for_other_programs(self, tmp_path: Path) -> None:
        image = read_image(save(tmp_path / "image.png", np.zeros((7, 5), np.uint8)))
        labels = np.zeros((1, 7, 5), dtype=int)
        labels[0, 2, 4] = 2
        write_labels(tmp_path / "labels.png", labels, image.grid)
        with Image.open(tmp_path / "labels.png") as stored:
            assert stored.mode == "L"
            assert stored.getpixel((4, 2)) == 2

    def test_stack_is_saved_as_pages(self, tmp_path: Path) -> None:
        tifffile.imwrite(
            tmp_path / "a.tif", np.zeros((4, 7, 5), np.uint8), photometric="minisblack"
        )
        image = read_image(tmp_path / "a.tif")
        labels = np.arange(140).reshape(4, 7, 5)
        write_labels(tmp_path / "labels.tif", labels, image.grid)
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif"), labels)
        with pytest.raises(SaveError, match="PNG holds one slice"):
            write_labels(tmp_path / "labels.png", labels, image.grid)

    def test_labels_of_another_picture_are_refused(self, tmp_path: Path) -> None:
        image = read_image(save(tmp_path / "image.png", np.zeros((7, 5), np.uint8)))
        save(tmp_path / "labels.png", np.zeros((5, 7), np.uint8))
        with pytest.raises(ReadError, match="do not belong together"):
            read_labels(tmp_path / "labels.png", image.grid)

    def test_colour_masks_are_refused(self, tmp_path: Path) -> None:
        image = read_image(save(tmp_path / "image.png", np.zeros((7, 5), np.uint8)))
        save(tmp_path / "labels.png", np.zeros((7, 5, 3), np.uint8))
        with pytest.raises(ReadError, match="colour picture"):
            read_labels(tmp_path / "labels.png", image.grid)

    def test_palette_numbers_are_labels(self, tmp_path: Path) -> None:
        """Mask collections often store labels as palette indices."""
        image = read_image(save(tmp_path / "image.png", np.zeros((7, 5), np.uint8)))
        labels = RNG.integers(0, 3, (7, 5), dtype=np.uint8)
        mask = Image.fromarray(labels, mode="P")
        mask.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
        mask.save(tmp_path / "labels.png")
        np.testing.assert_array_equal(
            read_labels(tmp_path / "labels.png", image.grid), labels[None]
        )


class TestTiff:
    grey = RNG.integers(0, 256, (7, 5), dtype=np.uint8)

    def test_grey_with_alpha(self, tmp_path: Path) -> None:
        tifffile.imwrite(
            tmp_path / "a.tif",
            np.dstack([self.grey, self.grey // 2]),
            photometric="minisblack",
            planarconfig="contig",
            extrasamples=["unassalpha"],
        )
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif").volume.voxels, self.grey[None])

    @pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "u4", "u2", ">u2"])
    def test_values_of_every_type_are_kept(self, tmp_path: Path, dtype: str) -> None:
        tifffile.imwrite(tmp_path / "a.tif", self.grey.astype(dtype), photometric="minisblack")
        voxels = read_image(tmp_path / "a.tif").volume.voxels
        np.testing.assert_array_equal(voxels, self.grey[None])

    def test_channels_are_not_taken_for_slices(self, tmp_path: Path) -> None:
        stack = RNG.integers(0, 256, (2, 3, 7, 5), dtype=np.uint16)
        tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "ZCYX"})
        with pytest.raises(SeveralFrames, match="frame 0 to 2"):
            read_image(tmp_path / "a.tif")
        voxels = read_image(tmp_path / "a.tif", frame=1).volume.voxels
        np.testing.assert_array_equal(voxels, stack[:, 1])

    def test_separate_colour_planes(self, tmp_path: Path) -> None:
        planes = RNG.integers(0, 256, (3, 7, 5), dtype=np.uint8)
        tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
        voxels = read_image(tmp_path / "a.tif").volume.voxels
        np.testing.assert_array_equal(voxels[0], np.moveaxis(planes, 0, -1))

    @pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits"])
    def test_compressions(self, tmp_path: Path, compression: str) -> None:
        Image.fromarray(self.grey).save(tmp_path / "a.tif", compression=compression)
        voxels = read_image(tmp_path / "a.tif").volume.voxels
        np.testing.assert_array_equal(voxels, self.grey[None])

    def test_palette(self, tmp_path: Path) -> None:
        picture = Image.fromarray(self.grey % 2, mode="P")
        picture.putpalette([0, 0, 0, 250, 100, 50])
        picture.save(tmp_path / "a.tif")
        voxels = read_image(tmp_path / "a.tif").volume.voxels
        assert voxels[0, *np.argwhere(self.grey % 2)[0]].tolist() == [250, 100, 50]
