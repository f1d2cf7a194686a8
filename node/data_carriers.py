"""Data carriers, written for labels and read from photographs (EN 18220): QR codes (ISO/IEC 18004) and Data
Matrix (ISO/IEC 16022).

zxing-cpp does both, with an encoder (zint) and a decoder that share no code. What stands in a carrier is what
somebody printed: text to be looked up, never an address that is asked.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping
from typing import Any, TypedDict

from node.errors import ProblemError, bad_request, busy

SYMBOLOGIES = {"qr": "QRCode", "datamatrix": "DataMatrix"}
DRAWN: Mapping[str, Mapping[str, Any]] = {
    "qr": {"ec_level": "Q"},
    "datamatrix": {"force_square": True},
}  # a rectangle may be five times as wide
READ_FROM = "JPEG", "PNG", "WEBP"
PHOTO_BYTES_MAX = 16 << 20
PIXELS_MAX = 25_000_000  # told by the head of the file, before anything is decoded; 100 MB in four colours
SIDE_MAX = 4_096  # pixels of the longer side that are searched
CODES_MAX = 32  # told of one photograph
CHARACTERS_MAX = 512  # of one carrier's text: longer ones are not of a battery
READING_MAX = 2  # photographs at a time, of different clients


class CodesRead(TypedDict):
    """What was read of the data carriers in a photograph."""

    codes: list[str]


Modules = tuple[tuple[bool, ...], ...]  # by row, from the top; True: dark; with the quiet zone

_readers, _lock = set[str](), threading.Lock()  # the clients whose photograph is being read


def symbol(text: str, symbology: str) -> Modules:
    """The modules of a data carrier that says `text`, a square; `symbology` is a key of SYMBOLOGIES.

    A QR code has error correction level Q, a quarter of it may be damaged: labels are scratched.
    """
    import zxingcpp  # noqa: PLC0415 (loaded where a label is drawn or read)

    made = zxingcpp.create_barcode(
        text, getattr(zxingcpp.BarcodeFormat, SYMBOLOGIES[symbology]), **DRAWN[symbology]
    )
    picture: Any = made.to_image(scale=1, add_quiet_zones=True)
    rows: Any = memoryview(picture).tolist()
    return tuple(tuple(shade == 0 for shade in row) for row in rows)


def read_photograph(data: bytes, client: str) -> list[str]:
    """The texts of the data carriers in a photograph, each once, as they were found; none: none was found.

    `photo_malformed` (400) where the file is no picture of a form that is read, or a larger one than is read;
    503 where another one of this client, or as many as are read at a time, are being read.
    """
    with _lock:
        if client in _readers or len(_readers) >= READING_MAX:
            raise busy("another photograph is being read: send this one again in a moment")
        _readers.add(client)
    try:
        return _read(data)
    finally:
        with _lock:
            _readers.discard(client)


def _read(data: bytes) -> list[str]:
    import zxingcpp  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    try:
        with Image.open(io.BytesIO(data), formats=READ_FROM) as picture:
            width, height = picture.size
            if width * height > PIXELS_MAX:
                told = "the picture has {width} x {height} pixels: at most {millions} million are read"
                raise bad_request(
                    "photo_malformed", told, width=width, height=height, millions=PIXELS_MAX // 1_000_000
                )
            picture.draft("L", (SIDE_MAX, SIDE_MAX))  # a JPEG is decoded in grey, and no larger than needed
            grey = picture.convert("L")
    except ProblemError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # what Pillow raises
        told = "this is no picture that can be read: give a JPEG, PNG or WebP photograph of the label"
        raise bad_request("photo_malformed", told) from error
    grey.thumbnail((SIDE_MAX, SIDE_MAX))
    found = zxingcpp.read_barcodes(grey)
    texts = [one.text for one in found if one.valid and one.text and len(one.text) <= CHARACTERS_MAX]
    return list(dict.fromkeys(texts))[:CODES_MAX]
