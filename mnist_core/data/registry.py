"""The registry of data sets: what each one is, in which files it comes, and how it is split.

`DATASETS["cifar10"].shape` is (3, 32, 32). Importing this module does not import torch.
"""

from __future__ import annotations

from mnist_core.data.spec import BASELINE_AUGMENTATION, Augmentation, DatasetSpec, Source
from mnist_core.errors import unknown_name

_SHA256 = "sha256:"  # apart from the digits, which fill a line

_SPECS = (
    DatasetSpec(
        name="digits",
        label="digits (scikit-learn)",
        shown="digit",
        mean=(0.1563,),
        std=(0.2772,),
        train_images=1_197,
        validation_images=300,
        test_images=300,
    ),
    DatasetSpec(
        name="mnist",
        label="MNIST",
        shown="digit",
        mean=(0.1307,),
        std=(0.3081,),
        source=Source(
            folder="MNIST/raw",
            format="idx",
            train={
                "train-images-idx3-ubyte": _SHA256
                + "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "train-labels-idx1-ubyte": _SHA256
                + "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            },
            test={
                "t10k-images-idx3-ubyte": _SHA256
                + "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "t10k-labels-idx1-ubyte": _SHA256
                + "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            },
            torchvision_class="MNIST",
        ),
    ),
    DatasetSpec(
        name="fashion-mnist",
        label="Fashion-MNIST",
        shown="garment",
        classes=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        mean=(0.2860,),
        std=(0.3530,),
        flip_keeps_class=True,
        recommended=Augmentation(translation=0.1, horizontal_flip=True),
        source=Source(
            folder="FashionMNIST/raw",
            format="idx",
            train={
                "train-images-idx3-ubyte": "gz-md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                "train-labels-idx1-ubyte": "gz-md5:25c81989df183df01b3e8a0aad5dffbe",
            },
            test={
                "t10k-images-idx3-ubyte": "gz-md5:bef4ecab320f06d8554ea6380940ec79",
                "t10k-labels-idx1-ubyte": "gz-md5:bb300cfdad3c16e7a12a480ee83cd310",
            },
            torchvision_class="FashionMNIST",
        ),
    ),
    DatasetSpec(
        name="kmnist",
        label="KMNIST",
        shown="character",
        classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        mean=(0.1918,),
        std=(0.3483,),
        source=Source(
            folder="KMNIST/raw",
            format="idx",
            train={
                "train-images-idx3-ubyte": "gz-md5:bdb82020997e1d708af4cf47b453dcf7",
                "train-labels-idx1-ubyte": "gz-md5:e144d726b3acfaa3e44228e80efcd344",
            },
            test={
                "t10k-images-idx3-ubyte": "gz-md5:5c965bf0a639b31b8f53240b1b52f4d7",
                "t10k-labels-idx1-ubyte": "gz-md5:7320c461ea6c1c855c0b718fb2a4b134",
            },
            torchvision_class="KMNIST",
        ),
    ),
    # Its images to train on are MNIST's, made again from NIST's (Yadav & Bottou 2019), and so are
    # the first 10,000 of its test file; the other 50,000 are what it adds, and what is tested on.
    DatasetSpec(
        name="qmnist",
        label="QMNIST (test50k)",
        shown="digit",
        mean=(0.1307,),
        std=(0.3081,),
        test_images=50_000,
        source=Source(
            folder="QMNIST/raw",
            format="idx",
            train={
                "qmnist-train-images-idx3-ubyte": "gz-md5:ed72d4157d28c017586c42bc6afe6370",
                "qmnist-train-labels-idx2-int": "gz-md5:0058f8dd561b90ffdd0f734c6a30e5e4",
            },
            test={
                "qmnist-test-images-idx3-ubyte": "gz-md5:1394631089c404de565df7b7aeaf9412",
                "qmnist-test-labels-idx2-int": "gz-md5:5b5b05890a5e13444e108efe57b788aa",
            },
            torchvision_class="QMNIST",
            downloads=({"what": "train"}, {"what": "test50k"}),
            skipped_test_images=10_000,
        ),
    ),
    # Validation as its authors have it: "the last portion of the training set, equal in size to
    # the testing set" (Cohen et al. 2017, section II D).
    DatasetSpec(
        name="emnist-digits",
        label="EMNIST Digits",
        shown="digit",
        mean=(0.1733,),
        std=(0.3317,),
        train_images=200_000,
        validation_images=40_000,
        test_images=40_000,
        source=Source(
            folder="EMNIST/raw",
            format="idx",
            train={
                "emnist-digits-train-images-idx3-ubyte": None,
                "emnist-digits-train-labels-idx1-ubyte": None,
            },
            test={
                "emnist-digits-test-images-idx3-ubyte": None,
                "emnist-digits-test-labels-idx1-ubyte": None,
            },
            torchvision_class="EMNIST",
            downloads=({"split": "digits"},),
            is_transposed=True,
        ),
    ),
    DatasetSpec(
        name="cifar10",
        label="CIFAR-10",
        shown="picture",
        shape=(3, 32, 32),
        classes=(
            *("airplane", "automobile", "bird", "cat", "deer"),
            *("dog", "frog", "horse", "ship", "truck"),
        ),
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
        train_images=45_000,
        flip_keeps_class=True,
        # four pixels and a flip, as since He et al. 2016, section 4.2
        recommended=Augmentation(translation=0.125, horizontal_flip=True),
        source=Source(
            folder="cifar-10-batches-py",
            format="cifar",
            train={
                "data_batch_1": "md5:c99cafc152244af753f735de768cd75f",
                "data_batch_2": "md5:d4bba439e000b95fd0a9bffe97cbabec",
                "data_batch_3": "md5:54ebc095f3ab1f0389bbae665268c751",
                "data_batch_4": "md5:634d18415352ddfa80567beed471001a",
                "data_batch_5": "md5:482c414d41f54cd18b22e5b47cb7c3cb",
            },
            test={
                "test_batch": "md5:40351d587109b95175f43aff81a1287e",
            },
            torchvision_class="CIFAR10",
            archive="cifar-10-python.tar.gz",
        ),
    ),
)

DATASETS: dict[str, DatasetSpec] = {spec.name: spec for spec in _SPECS}
"""By the name that --dataset takes.

The constants of `digits` and `mnist` are those of their pixels, which tests compute again; the
others are as commonly published, and `data.load` refuses images that they could not be of.
Checksums of MNIST's files were computed from them; the MD5 are those that torchvision pins
(datasets/mnist.py and cifar.py).
"""


AUGMENTATION_HELP = (
    "baseline is rotation by up to 10 degrees and shifts by up to a tenth of the side; "
    "recommended is the same for digits and letters, and otherwise "
    + "; ".join(
        f"for {spec.name} {spec.recommended.text()}"
        for spec in _SPECS
        if spec.recommended != BASELINE_AUGMENTATION
    )
)

AUTO = "auto"
"""MNIST, or digits where MNIST can neither be found nor downloaded."""


def require_choice(name: str) -> None:
    """Raise `UserError` for what --dataset does not take."""
    if name not in (AUTO, *DATASETS):
        raise unknown_name("dataset", name, (AUTO, *DATASETS))


def require_known(name: str) -> DatasetSpec:
    """Return what is known of a data set; `UserError` names the known ones."""
    try:
        return DATASETS[name]
    except KeyError:
        raise unknown_name("dataset", name, DATASETS) from None
