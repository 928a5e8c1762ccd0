"""The registry of data sets: what each one is, in which files it comes, and how it is split.

`DATASETS["cifar10"].shape` is (3, 32, 32). Importing this module does not import torch.
"""

from mnist_core.data.spec import BASELINE_AUGMENTATION, Augmentation, DatasetSpec, Source
from mnist_core.errors import require_known

_MNIST_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

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
        sha256="d09ec66bc25ee844b095a6df42778793cf4d9a46b3e61536fd6aaf3ec3c8db5d",
    ),
    DatasetSpec(
        name="mnist",
        label="MNIST",
        shown="digit",
        mean=(0.1307,),
        std=(0.3081,),
        source=Source(torchvision_class="MNIST", folder="MNIST/raw", files=_MNIST_FILES),
        sha256="aa4a0e9e76ab188bb855e65d157e12a35f72c47a0b58f9704c4ca03409990e79",
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
            torchvision_class="FashionMNIST", folder="FashionMNIST/raw", files=_MNIST_FILES
        ),
        sha256="b5ed76557bffbb4f9811f91079c21eb7be99798ef2c952e9900dae2c101dbc2b",
    ),
    DatasetSpec(
        name="kmnist",
        label="KMNIST",
        shown="character",
        classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        mean=(0.1918,),
        std=(0.3483,),
        source=Source(torchvision_class="KMNIST", folder="KMNIST/raw", files=_MNIST_FILES),
    ),
    # Its images to train on are MNIST's, made again from NIST's (Yadav & Bottou 2019), and so are
    # the first 10,000 of its test file. Tested on are the other 50,000, which it adds.
    DatasetSpec(
        name="qmnist",
        label="QMNIST (test50k)",
        shown="digit",
        mean=(0.1307,),
        std=(0.3081,),
        test_images=50_000,
        source=Source(
            torchvision_class="QMNIST",
            folder="QMNIST/raw",
            files=(
                "qmnist-train-images-idx3-ubyte",
                "qmnist-train-labels-idx2-int",
                "qmnist-test-images-idx3-ubyte",
                "qmnist-test-labels-idx2-int",
            ),
            train={"what": "train"},
            test={"what": "test50k"},
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
            torchvision_class="EMNIST",
            folder="EMNIST/raw",
            files=(
                "emnist-digits-train-images-idx3-ubyte",
                "emnist-digits-train-labels-idx1-ubyte",
                "emnist-digits-test-images-idx3-ubyte",
                "emnist-digits-test-labels-idx1-ubyte",
            ),
            train={"split": "digits", "train": True},
            test={"split": "digits", "train": False},
            archive="EMNIST/raw/gzip.zip",
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
            torchvision_class="CIFAR10",
            folder="cifar-10-batches-py",
            files=(
                *(f"data_batch_{number}" for number in range(1, 6)),
                "test_batch",
                "batches.meta",
            ),
            archive="cifar-10-python.tar.gz",
        ),
    ),
)

DATASETS: dict[str, DatasetSpec] = {spec.name: spec for spec in _SPECS}
"""By the name that --dataset takes.

Mean, standard deviation and SHA-256 were computed from the images of `digits`, `mnist` and
`fashion-mnist`, and tests compute them again. Mean and standard deviation of the others are as
commonly published; `mnist_core.data.files` says what vouches for their images.
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
    require_known("dataset", name, (AUTO, *DATASETS))


def dataset_spec(name: str) -> DatasetSpec:
    """Return what is known of a data set; `UserError` names the known ones."""
    require_known("dataset", name, DATASETS)
    return DATASETS[name]
