"""What is known of a data set without reading it: `DatasetSpec`, and what it is made of.

Frozen, and importable without torch: configurations and command lines read it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from mnist_core.errors import require_known

Shape = tuple[int, int, int]
"""Channels, height and width of an image."""
MNIST_SHAPE: Shape = (1, 28, 28)
MNIST_CLASSES = 10
DIGITS = tuple("0123456789")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Which files a data set consists of, and which class of torchvision.datasets reads them."""

    torchvision_class: str
    folder: str
    """Below a root, as the class has it."""
    files: tuple[str, ...]
    train: Mapping[str, str | bool] = field(default_factory=lambda: {"train": True}, hash=False)
    """Arguments of the class, beside the root, for the part that one may train on."""
    test: Mapping[str, str | bool] = field(default_factory=lambda: {"train": False}, hash=False)
    archive: str | None = None
    """The one archive, below a root, that holds all files; None where each has its own, NAME.gz
    beside it."""
    is_transposed: bool = False
    """Whether the files have rows and columns of an image exchanged."""

    def archives(self) -> list[str]:
        """Return the paths below a root at which torchvision looks for archives."""
        if self.archive is not None:
            return [self.archive]
        return [f"{self.folder}/{name}.gz" for name in self.files]


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
    sha256: str | None = None
    """Of the splits (`mnist_core.data.splits`); None where nobody here had the files."""

    def augmentation(self, name: str) -> Augmentation:
        """Return an augmentation by its name; `UserError` names the known ones."""
        require_known("augmentation", name, AUGMENTATIONS)
        return {
            "none": Augmentation(),
            "baseline": BASELINE_AUGMENTATION,
            "recommended": self.recommended,
        }[name]
