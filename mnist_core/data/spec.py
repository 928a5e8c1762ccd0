"""What is known of a data set without reading it: `DatasetSpec`, and what it is made of.

Frozen, and importable without torch: configurations and command lines read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from mnist_core.errors import unknown_name

Shape = tuple[int, int, int]
"""Channels, height and width of an image."""
MNIST_SHAPE: Shape = (1, 28, 28)
MNIST_CLASSES = 10
DIGITS = tuple("0123456789")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a data set's files lie below a root, and how torchvision downloads them there."""

    folder: str
    """torchvision's own."""
    format: str
    """`idx`: a file of images, then one of labels. `cifar`: pickled batches of both."""
    train: Mapping[str, str | None] = field(hash=False)
    """Files, and the checksum that is published of each: `sha256:…` or `md5:…` of its content, or
    `gz-md5:…` of the archive NAME.gz that it comes in."""
    test: Mapping[str, str | None] = field(hash=False)
    torchvision_class: str
    downloads: tuple[Mapping[str, str], ...] = field(default=({},), hash=False)
    """Arguments of the class, beside the root, of each call that downloads a part."""
    archive: str | None = None
    """The one archive, below a root, in which all files are published; None where each comes in
    one of its own, NAME.gz beside it."""
    is_transposed: bool = False
    """Whether the images lie on their side, rows for columns."""
    skipped_test_images: int = 0
    """Images at the start of the test file that are not part of the test split."""

    @property
    def files(self) -> dict[str, str | None]:
        """Return all files with their checksums."""
        return {**self.train, **self.test}


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Rotation, translation and mirroring of the images that are trained on."""

    rotation_degrees: float = 0.0
    translation: float = 0.0
    horizontal_flip: bool = False

    def settings(self) -> dict[str, float | bool]:
        """Return the fields of a configuration, without a flip that is not asked for."""
        values = asdict(self)
        if not self.horizontal_flip:
            del values["horizontal_flip"]
        return values

    def text(self) -> str:
        """Return it in words."""
        if self == Augmentation():
            return "none"
        parts = [f"rotation ±{self.rotation_degrees:g}°"] if self.rotation_degrees else []
        parts += [f"translation ±{self.translation:g}"] if self.translation else []
        return ", ".join([*parts, *(["horizontal flip"] if self.horizontal_flip else [])])


BASELINE_AUGMENTATION = Augmentation(rotation_degrees=10.0, translation=0.1)
"""For digits and letters."""
AUGMENTATIONS = ("none", "baseline", "recommended")


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """What is known of a data set without reading it."""

    name: str
    label: str
    shown: str
    """What an image shows, in the singular, for headings."""
    shape: Shape = MNIST_SHAPE
    """Channels, height and width."""
    classes: tuple[str, ...] = DIGITS
    mean: tuple[float, ...]
    """Of each channel's pixels in [0, 1], over the images that one may train on."""
    std: tuple[float, ...]
    train_images: int = 55_000
    validation_images: int = 5_000
    """The last of the images that one may train on."""
    test_images: int = 10_000
    flip_keeps_class: bool = False
    """Whether a mirrored image is still one of its class."""
    recommended: Augmentation = BASELINE_AUGMENTATION
    """What is usual for such images; not tuned here."""
    source: Source | None = None
    """None for a set that an installed package holds."""

    def augmentation(self, name: str) -> Augmentation:
        """Return an augmentation by its name; `UserError` names the known ones."""
        if name not in AUGMENTATIONS:
            raise unknown_name("augmentation", name, AUGMENTATIONS)
        return {
            "none": Augmentation(),
            "baseline": BASELINE_AUGMENTATION,
            "recommended": self.recommended,
        }[name]
