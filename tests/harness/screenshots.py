"""Screenshots of the tests of the browser: taken, and those of README.md held against what is kept.

`COMITY_SCREENSHOTS=keep make check` keeps those that are made, in the place of the old ones.
"""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageStat

FOLDER = Path(__file__).parents[1] / "screenshots"
COLOURS = 128  # a page has few: half of the bytes, and each word of a verdict keeps its colour
COARSE = 8  # pixels to a side that are looked at as one: times and digests differ from run to run
FAR = 12.0  # of 255, in the mean: what moves a block of the page, or colours it otherwise
TAKEN_MS = 6_000  # many times what a picture takes
TRIES = 5


def take(page: Any, path: Path | None = None, *, whole: bool = False) -> bytes:
    """
    The picture of a page, PNG; of all of it if `whole`; kept at `path`.

    A page that renews itself while its picture is taken leaves Chromium waiting for the one that is gone, for
    ever: it is taken again. Raise what the driver says if that helps nothing.
    """
    from playwright.sync_api import TimeoutError as NotTaken  # there where a page is, `make test` has none

    for _ in range(TRIES - 1):
        with suppress(NotTaken):
            return bytes(page.screenshot(path=path, full_page=whole, timeout=TAKEN_MS))
    return bytes(page.screenshot(path=path, full_page=whole, timeout=TAKEN_MS))


def hold_against_kept(name: str, made: bytes) -> None:
    """
    Raise AssertionError if a page that README shows looks otherwise by now.

    Of the kept picture and `made`, a PNG, the coarse tones are compared; both have to be of one size.
    """
    path = FOLDER / f"{name}.png"
    picture = Image.open(io.BytesIO(made)).convert("RGB")
    if os.environ.get("COMITY_SCREENSHOTS") == "keep":
        picture.quantize(COLOURS).save(path, optimize=True)
    kept = Image.open(path).convert("RGB")
    assert kept.size == picture.size, f"{path.name} is {kept.size}, the page {picture.size}"
    far = ImageStat.Stat(ImageChops.difference(_coarse(kept), _coarse(picture))).mean[0]
    assert far < FAR, f"{path.name} is no longer what the page looks like ({far:.1f}): keep it anew"


def _coarse(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    return picture.convert("L").resize((width // COARSE, height // COARSE), Image.Resampling.BOX)
