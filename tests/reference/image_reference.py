"""Small images of every kind, and what Pillow makes of them, for tests/engine/test_image.c.

    python3 tests/reference/image_reference.py        writes tests/reference/image/

For each image NAME.png or NAME.jpg: NAME.rgb.npy (convert("RGB")) and NAME.grey.npy (that, then
convert("L")), height x width x channels of bytes. For some also NAME.HxW.npy: resized from RGB with
BILINEAR, which antialiases. 16-bit files are compared with v * 255 / 65535 rounded, since Pillow cuts
them at 255."""
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

out = pathlib.Path(__file__).parent / "image"
out.mkdir(exist_ok=True)
rng = np.random.default_rng(7)
height, width = 13, 10
y, x = np.mgrid[0:height, 0:width]
smooth = np.stack([x * 25, y * 19, (x + y) * 11], -1)
colours = np.clip(smooth + rng.integers(-20, 20, smooth.shape), 0, 255).astype(np.uint8)
grey = colours[..., 1]
alpha = rng.integers(0, 256, (height, width, 1)).astype(np.uint8)


def keep(name, wanted=None):
    image = Image.open(out / name)
    rgb = np.asarray(image.convert("RGB")) if wanted is None else wanted
    stem = name.split(".")[0]
    np.save(out / f"{stem}.rgb.npy", rgb)
    np.save(out / f"{stem}.grey.npy", np.asarray(Image.fromarray(rgb).convert("L"))[..., None])


def save(name, array, mode=None, **options):
    Image.fromarray(array, mode).save(out / name, **options)
    keep(name)


save("rgb.png", colours)
save("rgba.png", np.concatenate([colours, alpha], -1))
save("grey.png", grey)
save("grey_alpha.png", np.concatenate([grey[..., None], alpha], -1), "LA")
Image.fromarray(colours).quantize(7).save(out / "palette.png", transparency=2)
keep("palette.png")
Image.fromarray(np.where(grey > 120, 255, 0).astype(np.uint8)).convert("1").save(out / "bits.png")
keep("bits.png")
save("photo.jpg", colours, quality=90)
save("photo_grey.jpg", grey, quality=90)
save("progressive.jpg", colours, quality=90, progressive=True)
save("full.jpg", colours, quality=90, subsampling=0)
Image.fromarray(colours).convert("CMYK").save(out / "cmyk.jpg", quality=95)  # Adobe: inverted
keep("cmyk.jpg")

deep = (grey.astype(np.uint16) * 257 + rng.integers(0, 200, grey.shape)).clip(0, 65535).astype(np.uint16)
Image.fromarray(deep).save(out / "deep.png")
rounded = np.floor(deep.astype(np.float64) * 255 / 65535 + 0.5).astype(np.uint8)
keep("deep.png", np.repeat(rounded[..., None], 3, -1))

picture = Image.open(out / "rgb.png")
for h, w in [(5, 4), (26, 31), (13, 4), (1, 1), (40, 3)]:
    np.save(out / f"rgb.{h}x{w}.npy", np.asarray(picture.resize((w, h), Image.BILINEAR)))


def png(kind, depth, rows_of_passes):
    """A PNG by hand: what Pillow cannot write."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    raw = b"".join(b"\0" + row.tobytes() for rows in rows_of_passes for row in rows if row.size)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, len(rows_of_passes) > 1)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"tEXt", b"Title\0a note")
            + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


adam7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
(out / "interlaced.png").write_bytes(png(2, 8, [colours[y::dy, x::dx] for y, x, dy, dx in adam7]))
keep("interlaced.png")
deep = rng.integers(0, 65536, (height, width, 4)).astype(">u2")
(out / "deep_rgba.png").write_bytes(png(6, 16, [deep]))
keep("deep_rgba.png", np.floor(deep[..., :3].astype(np.float64) * 255 / 65535 + 0.5).astype(np.uint8))
