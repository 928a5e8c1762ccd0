"""The batched augmentation is torchvision's, pixel for pixel and in distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as TF
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import chi2_contingency, ks_2samp, kstest, spearmanr
from torchvision.transforms import RandomAffine, RandomRotation

from mnist_core.data.augment import nearest
from mnist_core.runtime.randomness import generator

ANGLES = st.floats(-180, 180)
SIDES = st.integers(1, 40)


def noise(count: int, *, channels: int = 1, side: int = 28, seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    shape = (count, channels, side, side)
    return torch.from_numpy(random.integers(1, 256, size=shape, dtype=np.uint8))


def transforms_of(angles, shifts, *, side: int = 28) -> nearest.Transforms:
    return nearest.from_angles(
        torch.tensor(angles, dtype=torch.float64),
        torch.tensor(shifts, dtype=torch.int32).view(-1, 2),
        side=side,
    )


def by_torchvision(image: torch.Tensor, angle: float, shift: tuple[int, int]) -> torch.Tensor:
    """Transform one image [c, s, s] as the baseline recipe does: on a PIL image, twice."""
    picture = Image.fromarray(image.permute(1, 2, 0).squeeze(2).numpy())
    picture = TF.rotate(picture, angle)
    picture = TF.affine(picture, angle=0.0, translate=list(shift), scale=1.0, shear=[0.0, 0.0])
    return torch.from_numpy(np.array(picture)).view(*image.shape[1:], -1).permute(2, 0, 1)


def check_against_torchvision(images, angles, shifts) -> None:
    actual = nearest.apply(images, transforms_of(angles, shifts, side=images.shape[-1]))
    for image, angle, shift, result in zip(images, angles, shifts, actual, strict=True):
        expected = by_torchvision(image, angle, shift)
        assert torch.equal(result, expected), f"angle {angle}, shift {shift}"


def test_random_angles_and_shifts_give_torchvisions_pixels(digits):
    random = np.random.default_rng(1)
    images = torch.cat([noise(1_000), digits.train.images[:1_000]])
    angles = random.uniform(-10, 10, size=len(images)).tolist()
    shifts = [tuple(shift) for shift in random.integers(-3, 4, size=(len(images), 2)).tolist()]
    check_against_torchvision(images, angles, shifts)


@pytest.mark.parametrize(
    "angle", [0.0, -0.0, 10.0, -10.0, 1e-9, -1e-15, 5.0, 45.0, 90.0, -90.0, 180.0, -180.0, 9.99999]
)
def test_special_angles_with_every_shift_give_torchvisions_pixels(angle):
    shifts = [(x, y) for x in range(-3, 4) for y in range(-3, 4)]
    check_against_torchvision(noise(len(shifts)), [angle] * len(shifts), shifts)


@given(angle=ANGLES, side=SIDES, shift=st.tuples(st.integers(-45, 45), st.integers(-45, 45)))
@settings(max_examples=300, deadline=None)
def test_any_angle_side_and_shift_give_torchvisions_pixels(angle, side, shift):
    check_against_torchvision(noise(1, side=side), [angle], [shift])


@given(angle=ANGLES, side=SIDES)
@settings(max_examples=50, deadline=None)
def test_several_channels_give_torchvisions_pixels(angle, side):
    check_against_torchvision(noise(2, channels=3, side=side), [angle] * 2, [(1, -1)] * 2)


@given(side=SIDES, channels=st.integers(1, 4), turns=st.integers(-2, 2))
@settings(max_examples=50, deadline=None)
def test_no_rotation_and_no_shift_is_the_identity(side, channels, turns):
    images = noise(2, channels=channels, side=side)
    transforms = transforms_of([360.0 * turns] * 2, [[0, 0]] * 2, side=side)
    assert torch.equal(nearest.apply(images, transforms), images)


@given(x=st.integers(-30, 30), y=st.integers(-30, 30), side=SIDES)
@settings(max_examples=100, deadline=None)
def test_a_shift_moves_whole_pixels_and_fills_with_zero(x, y, side):
    images = noise(1, side=side)
    expected = torch.zeros_like(images)
    for row in range(side):
        for column in range(side):
            if 0 <= row - y < side and 0 <= column - x < side:
                expected[..., row, column] = images[..., row - y, column - x]
    assert torch.equal(nearest.apply(images, transforms_of([0.0], [[x, y]], side=side)), expected)


def test_a_quarter_turn_is_counter_clockwise():
    images = noise(1)
    turned = nearest.apply(images, transforms_of([90.0], [[0, 0]]))
    assert torch.equal(turned, images.rot90(1, dims=(2, 3)))


def test_each_image_gets_its_own_transform_whatever_the_batch():
    images = noise(50)
    transforms = drawn(50, seed=3)
    whole = nearest.apply(images, transforms)
    for part in (slice(0, 7), slice(7, 50)):
        some = nearest.Transforms(transforms.coefficients[part], transforms.shifts[part])
        assert torch.equal(nearest.apply(images[part], some), whole[part])


def drawn(count: int, *, seed: int, degrees: float = 10.0, translation: float = 0.1):
    return nearest.draw(
        count,
        side=28,
        rotation_degrees=degrees,
        translation=translation,
        generator=generator(seed, "augmentation", 1),
    )


def angles_of(transforms: nearest.Transforms) -> np.ndarray:
    """Read the angles, in degrees, back out of PIL's matrices (their inverse turns them)."""
    a, b = transforms.coefficients[:, 0].double(), transforms.coefficients[:, 1].double()
    return torch.rad2deg(torch.atan2(-b, a)).numpy()


@pytest.fixture(scope="module")
def torchvision_draws() -> tuple[np.ndarray, np.ndarray]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        angles = [RandomRotation.get_params([-10.0, 10.0]) for _ in range(6_000)]
        shifts = [
            RandomAffine.get_params((0.0, 0.0), (0.1, 0.1), None, None, [28, 28])[1]
            for _ in range(6_000)
        ]
    return np.array(angles), np.array(shifts)


def test_angles_are_distributed_as_torchvisions(torchvision_draws):
    angles = angles_of(drawn(6_000, seed=0))
    assert ks_2samp(angles, torchvision_draws[0]).pvalue > 0.01
    assert kstest(angles, "uniform", args=(-10, 20)).pvalue > 0.01
    assert -10.001 <= angles.min() < -9.9
    assert 9.9 < angles.max() <= 10.001


@pytest.mark.parametrize("axis", [0, 1])
def test_shifts_are_distributed_as_torchvisions(axis, torchvision_draws):
    ours = drawn(6_000, seed=0).shifts[:, axis].numpy()
    theirs = torchvision_draws[1][:, axis]
    counts = [[int((side == shift).sum()) for shift in range(-3, 4)] for side in (ours, theirs)]
    assert sum(counts[0]) == sum(counts[1]) == 6_000
    assert chi2_contingency(counts).pvalue > 0.01


def test_angle_and_both_shifts_are_independent():
    transforms = drawn(6_000, seed=0)
    shifts = transforms.shifts.numpy()
    columns = np.column_stack([angles_of(transforms), shifts])
    correlations = spearmanr(columns).statistic
    assert np.abs(correlations - np.eye(3)).max() < 0.04  # three standard errors


@pytest.mark.parametrize(
    ("degrees", "translation", "largest_shift"), [(0.0, 0.0, 0), (30.0, 0.25, 7), (180.0, 0.5, 14)]
)
def test_draws_stay_within_what_is_asked_for(degrees, translation, largest_shift):
    transforms = drawn(20_000, seed=0, degrees=degrees, translation=translation)
    assert int(transforms.shifts.abs().max()) == largest_shift
    assert np.abs(angles_of(transforms)).max() == pytest.approx(degrees, abs=0.02)


def test_the_same_generator_state_draws_the_same_transforms():
    first, again, other = drawn(100, seed=5), drawn(100, seed=5), drawn(100, seed=6)
    assert torch.equal(first.coefficients, again.coefficients)
    assert torch.equal(first.shifts, again.shifts)
    assert not torch.equal(first.coefficients, other.coefficients)


def test_drawing_leaves_torchs_global_generator_alone():
    before = torch.random.get_rng_state()
    drawn(100, seed=0)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_matrix_is_the_inverse_rotation_about_the_centre():
    angle = 10.0
    a, b, c, d, e, f = (transforms_of([angle], [[0, 0]]).coefficients[0] / 65_536).tolist()
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    assert (a, b, d, e) == pytest.approx((cosine, -sine, sine, cosine), abs=1e-4)
    centre = 13.5  # of the pixel indices: it stays where it is, in pixel centres
    assert a * centre + b * centre + c == pytest.approx(14, abs=1e-3)
    assert d * centre + e * centre + f == pytest.approx(14, abs=1e-3)


@pytest.mark.parametrize("shape", [(1, 28), (3, 32)])
def test_chosen_images_are_mirrored_as_torchvision_mirrors_them(shape):
    channels, side = shape
    images = noise(20, channels=channels, side=side)
    flips = nearest.draw_flips(20, generator=generator(0, "flip", 1))
    assert 0 < int(flips.sum()) < 20
    for image, is_flipped, result in zip(images, flips, nearest.flip(images, flips), strict=True):
        assert torch.equal(result, TF.hflip(image) if is_flipped else image)


def test_every_second_image_is_mirrored_on_average_independently_of_its_neighbour():
    flips = nearest.draw_flips(100_000, generator=generator(0, "flip", 1)).double()
    assert float(flips.mean()) == pytest.approx(0.5, abs=0.006)
    assert float((flips[1:] * flips[:-1]).mean()) == pytest.approx(0.25, abs=0.006)
