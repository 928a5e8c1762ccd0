"""The ONNX export: its options, its agreement with torch, and no wrong file."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from mnist_core.__main__ import main
from mnist_core.cli import export
from mnist_core.config import TrainConfig
from mnist_core.data.splits import normalise
from mnist_core.models import onnx_export, onnx_graph, onnx_process
from mnist_core.models.network import Network, build_network, weights_digest
from mnist_core.models.onnx_graph import ExportOptions
from mnist_core.models.registry import architecture
from mnist_core.training.checkpoint import write_checkpoint

onnx = pytest.importorskip("onnx", reason="the extra [onnx] is not installed: onnx is missing")
pytest.importorskip("onnxruntime", reason="the extra [onnx] is not installed: onnxruntime")

CPU = torch.device("cpu")
OPSETS = range(onnx_graph.OLDEST_OPSET, onnx.defs.onnx_opset_version() + 1)
OPTIONS = [ExportOptions(dataset="digits", with_normalization=flag) for flag in (False, True)]
FORM_IDS = ["normalised images", "pixels"]


@pytest.fixture
def network() -> Network:
    return build_network(seed=0, device=CPU)


@pytest.fixture
def images(small_digits):
    return small_digits.test.images


@pytest.fixture
def checkpoint(tmp_path, network, digits):
    path = tmp_path / "checkpoint.safetensors"
    write_checkpoint(
        path,
        config=TrainConfig(dataset="digits"),
        record={"epochs": []},
        dataset_sha256=digits.sha256,
        network=network,
    )
    return path


@pytest.fixture
def output(tmp_path):
    """A file in a folder of its own, so that what else is left there is seen."""
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "model.onnx"


def dimensions(value) -> list[object]:
    return [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]


def metadata_of(content: bytes) -> dict[str, str]:
    model = onnx.load_from_string(content)
    return {entry.key: entry.value for entry in model.metadata_props}


def constant(content: bytes, name: str, value: np.ndarray) -> bytes:
    """Return the model with another constant."""
    model = onnx.load_from_string(content)
    (place,) = (entry for entry in model.graph.initializer if entry.name == name)
    place.CopyFrom(onnx.numpy_helper.from_array(value, name))
    return model.SerializeToString()


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("with_normalization", [False, True])
def test_every_opset_is_had_exactly_and_passes_the_checker(opset, with_normalization, network):
    options = ExportOptions(dataset="mnist", opset=opset, with_normalization=with_normalization)
    model = onnx.load_from_string(onnx_graph.build(network, options))
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", opset)]
    (given,), (returned,) = model.graph.input, model.graph.output
    kind = onnx.TensorProto.UINT8 if with_normalization else onnx.TensorProto.FLOAT
    assert (given.name, given.type.tensor_type.elem_type) == ("input", kind)
    assert (returned.name, returned.type.tensor_type.elem_type) == ("output", 1)
    assert dimensions(given) == ["batch_size", 1, 28, 28]
    assert dimensions(returned) == ["batch_size", 10]


@pytest.mark.slow
@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("with_normalization", [False, True])
def test_onnx_runtime_agrees_with_torch_at_every_opset(opset, with_normalization, network, images):
    options = ExportOptions(dataset="digits", opset=opset, with_normalization=with_normalization)
    agreement = onnx_export.verify(
        onnx_graph.build(network, options), network, options, images=images
    )
    assert (agreement.images, onnx_export.BATCH_SIZES) == (100, (1, 3, 64))
    assert 0 < agreement.largest_difference < 1e-5


@pytest.mark.parametrize("opset", [11, 17, 18, OPSETS[-1]])
def test_a_network_of_several_views_is_one_file_as_well(opset, images):
    several = build_network(architecture("baseline", {"views": 9}), seed=0, device=CPU)
    options = ExportOptions(dataset="digits", opset=opset, with_normalization=True)
    agreement = onnx_export.verify(
        onnx_graph.build(several, options), several, options, images=images
    )
    assert agreement.images == 100


@pytest.mark.parametrize("opset", [OPSETS[0], OPSETS[-1]])
@pytest.mark.parametrize("options", OPTIONS, ids=FORM_IDS)
def test_the_file_gives_what_a_loop_over_single_images_gives(
    opset, options, network, images, output
):
    options = ExportOptions(
        dataset="digits", opset=opset, with_normalization=options.with_normalization
    )
    onnx_export.export(network, output, options, images=images)
    content = output.read_bytes()
    mean, std = (0.1563,), (0.2772,)
    single = [normalise(image[None], mean=mean, std=std) for image in images]
    with torch.no_grad():
        expected = torch.cat([network(image) for image in single]).numpy()
    given = images if options.with_normalization else torch.cat(single)
    found = onnx_process.answers(content, given.numpy(), batch_sizes=[1, 7, 100], threads=1)
    assert found.shape == (3, 100, 10)
    for answers in found:
        np.testing.assert_allclose(answers, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("training", [True, False])
def test_memory_layout_and_training_mode_change_no_byte_and_stay(
    layout, training, network, images
):
    reference = onnx_graph.build(network, OPTIONS[0])
    other = network.to(memory_format=layout).train(mode=training)
    assert onnx_graph.build(other, OPTIONS[0]) == reference
    onnx_export.verify(reference, other, OPTIONS[0], images=images)
    assert other.training is training


def test_the_metadata_says_what_a_reader_of_the_output_needs(network):
    content = onnx_graph.build(network, OPTIONS[0], metadata={"configuration": "abc"})
    assert metadata_of(content) == {
        "configuration": "abc",
        "weights_sha256": weights_digest(network),
        "dataset": "digits",
        "normalization": "before the input",
        "normalization_mean": "0.1563",
        "normalization_std": "0.2772",
        "class_names": json.dumps([str(digit) for digit in range(10)]),
    }
    assert metadata_of(onnx_graph.build(network, OPTIONS[1]))["normalization"] == "in the graph"
    assert onnx.load_from_string(content).producer_name == "compact-mnist"


def test_each_data_set_has_the_constants_it_is_loaded_with(digits):
    assert ExportOptions(dataset=digits.name).spec is digits.spec


@pytest.mark.slow
def test_the_same_weights_give_the_same_bytes_in_another_process(checkpoint, output, run_python):
    assert main(["export", str(checkpoint), "--output", str(output), "--threads", "1"]) == 0
    other = output.with_name("other.onnx")
    done = run_python("-m", "mnist_core", "export", checkpoint, "--output", other)
    assert done.returncode == 0, done.stderr
    assert output.read_bytes() == other.read_bytes()
    assert str(output.parent).encode() not in output.read_bytes()
    assert sorted(file.name for file in output.parent.iterdir()) == ["model.onnx", "other.onnx"]


def test_the_command_says_what_it_checked_and_names_no_accuracy(checkpoint, output, capsys):
    assert main(["export", str(checkpoint), "--output", str(output), "--threads", "1"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for part in (
        f"{output}: {output.stat().st_size:,} bytes, opset 11, input normalised float32",
        "opset as asked; onnx's checker passed; ONNX Runtime gives torch's classes and "
        "log-probabilities on all 300 images of digits (scikit-learn), test split, "
        "at batches 1, 3 and 64: largest difference",
        "tolerance 1e-05, both as a share of the image's largest log-probability (of 1 where that "
        "is smaller)",
    ):
        assert part in text
    assert "accuracy" not in text
    assert "%" not in text
    found = metadata_of(output.read_bytes())
    assert found["configuration"] == TrainConfig(dataset="digits").digest()


def test_the_default_opset_is_the_oldest_the_seeds():
    assert (
        export.DEFAULT_OPSET
        == onnx_graph.OLDEST_OPSET
        == ExportOptions(dataset="mnist").opset
        == 11
    )


def test_without_the_data_set_it_is_checked_on_noise_and_says_so(
    without_mnist, tmp_path, network, output, capsys
):
    path = tmp_path / "checkpoint.safetensors"
    write_checkpoint(
        path,
        config=TrainConfig(dataset="mnist"),
        record={},
        dataset_sha256="",
        network=network,
    )
    assert main(["export", str(path), "--output", str(output), "--threads", "1"]) == 0
    text = capsys.readouterr().out
    assert "note: MNIST is in none of " in text
    assert "checking the export on images of noise instead" in text
    assert "on all 1,000 images of noise," in text
    assert metadata_of(output.read_bytes())["normalization_mean"] == "0.1307"


def test_the_noise_is_always_the_same():
    noise = onnx_export.random_images((1, 28, 28))
    assert (noise.shape, noise.dtype) == ((1_000, 1, 28, 28), torch.uint8)
    assert torch.equal(noise, onnx_export.random_images((1, 28, 28)))
    assert hashlib.sha256(noise.numpy().tobytes()).hexdigest().startswith("5af5d6a2edc7")


@pytest.mark.parametrize(
    ("name", "change"),
    [("fc1.bias", 1e-3), ("conv2.bias", 0.01), ("fc1.bias", float("nan"))],
)
def test_a_model_that_differs_is_found(name, change, network, images):
    value = network.state_dict()[name].numpy() + np.linspace(
        0, change, len(network.state_dict()[name]), dtype=np.float32
    )
    content = constant(onnx_graph.build(network, OPTIONS[0]), name, value)
    with pytest.raises(
        onnx_export.SelfCheckError, match=r"at batch 1, of 100 images .* than torch"
    ):
        onnx_export.verify(content, network, OPTIONS[0], images=images)


def test_differences_are_shares_of_an_images_largest_as_the_tolerance_is():
    expected = np.array([[-0.5, -1.0], [-20.0, -1e-9]], dtype=np.float32)
    answers = expected + np.array([[0.0, 1.5e-5], [1.5e-4, 0.0]], dtype=np.float32)
    found = onnx_export.relative_differences(np.stack([answers, expected]), expected)
    np.testing.assert_allclose(found, [[1.5e-5, 7.5e-6], [0, 0]], rtol=0.02)
    assert onnx_export.outside_tolerance(answers, expected).tolist() == [True, False]


def test_a_difference_within_the_tolerance_is_never_said_to_be_larger(network, images):
    """The last layer ten thousandfold: the log-probabilities differ by far more than 1e-5."""
    with torch.no_grad():
        network.fc1.weight *= 10_000
    agreement = onnx_export.verify(
        onnx_graph.build(network, OPTIONS[0]), network, OPTIONS[0], images=images
    )
    normalised = normalise(images, mean=(0.1563,), std=(0.2772,))
    with torch.no_grad():
        assert float(network(normalised).abs().max()) > 100
    assert 0 < agreement.largest_difference <= onnx_export.TOLERANCE


def test_another_class_alone_is_found(network, images, monkeypatch):
    """Under a tolerance so wide that no log-probability is outside."""
    monkeypatch.setattr(onnx_export, "TOLERANCE", 10.0)
    value = network.state_dict()["fc1.bias"].flip(0).numpy() * 9
    content = constant(onnx_graph.build(network, OPTIONS[0]), "fc1.bias", value)
    with pytest.raises(onnx_export.SelfCheckError, match="get another class and 0 other log-prob"):
        onnx_export.verify(content, network, OPTIONS[0], images=images)


def test_another_normalisation_is_found(network, images):
    content = constant(onnx_graph.build(network, OPTIONS[1]), "mean", np.array(0.1307, np.float32))
    with pytest.raises(onnx_export.SelfCheckError, match="than torch gives"):
        onnx_export.verify(content, network, OPTIONS[1], images=images)


def test_another_opset_than_asked_is_found(network, images):
    content = onnx_graph.build(network, ExportOptions(dataset="digits", opset=18))
    with pytest.raises(onnx_export.SelfCheckError, match=r"its opset must be 11, got .*18"):
        onnx_export.verify(content, network, OPTIONS[0], images=images)


def test_what_the_checker_refuses_is_found(network, images):
    model = onnx.load_from_string(onnx_graph.build(network, OPTIONS[0]))
    model.graph.node[0].op_type = "Convolve"
    with pytest.raises(onnx_export.SelfCheckError, match=r"checker refuses it: .*Convolve"):
        onnx_export.verify(model.SerializeToString(), network, OPTIONS[0], images=images)


@pytest.mark.parametrize("shape", [(5, 1, 27, 28), (5, 28, 28), (5, 3, 28, 28)])
def test_images_of_another_shape_are_refused_by_the_model(shape, network):
    with pytest.raises(onnx_process.OnnxRuntimeError, match="input"):
        onnx_process.answers(
            onnx_graph.build(network, OPTIONS[0]),
            np.zeros(shape, dtype=np.float32),
            batch_sizes=[5],
            threads=1,
        )


def test_what_is_no_model_is_said_by_the_process():
    with pytest.raises(onnx_process.OnnxRuntimeError, match=r"INVALID|Fail|parse"):
        onnx_process.answers(b"hello", np.zeros((1, 1)), batch_sizes=[1], threads=1)


def refusal(capsys, *arguments: object) -> str:
    assert main(["export", *map(str, arguments)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize("opset", [-1, 10, OPSETS[-1] + 1, 99])
def test_an_opset_outside_the_range_is_refused_with_the_range(opset, checkpoint, output, capsys):
    said = refusal(capsys, checkpoint, "--output", output, "--opset", opset)
    assert f"opset must be in 11 to {OPSETS[-1]}, the newest of onnx " in said
    assert f"got {opset}" in said
    assert list(output.parent.iterdir()) == []


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_without_the_extra_the_command_that_installs_it_is_named(
    missing, checkpoint, output, capsys, monkeypatch
):
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: None if name == missing else object()
    )
    said = refusal(capsys, checkpoint, "--output", output)
    assert said == f"error: the export needs {missing}: python -m pip install -e '.[onnx]'\n"


def test_a_damaged_checkpoint_is_refused(checkpoint, output, capsys):
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
    assert f"{checkpoint} is not a whole checkpoint" in refusal(
        capsys, checkpoint, "--output", output
    )
    assert list(output.parent.iterdir()) == []


@pytest.mark.parametrize("place", ["missing/model.onnx", "checkpoint.safetensors/model.onnx", "."])
def test_an_output_that_cannot_be_written_is_refused(place, checkpoint, tmp_path, capsys):
    before = sorted(tmp_path.iterdir())
    said = refusal(capsys, checkpoint, "--output", tmp_path / place)
    assert "name another --output" in said
    assert sorted(tmp_path.iterdir()) == before


def test_the_checkpoint_is_not_overwritten(checkpoint, capsys):
    before = checkpoint.read_bytes()
    assert "is the checkpoint" in refusal(capsys, checkpoint, "--output", checkpoint)
    assert checkpoint.read_bytes() == before


def test_where_the_self_check_fails_nothing_is_written(checkpoint, output, capsys, monkeypatch):
    monkeypatch.setattr(onnx_export, "TOLERANCE", 0.0)
    output.write_bytes(b"old")
    assert main(["export", str(checkpoint), "--output", str(output), "--threads", "1"]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("self-check failed, nothing was written: at batch ")
    assert said.out == ""
    assert output.read_bytes() == b"old"
    assert list(output.parent.iterdir()) == [output]


def test_a_full_disk_leaves_the_old_file_and_no_other(checkpoint, output, capsys, monkeypatch):
    output.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    said = refusal(capsys, checkpoint, "--output", output, "--threads", 1)
    assert f"cannot write {output}: No space left on device" in said
    assert output.read_bytes() == b"old"
    assert list(output.parent.iterdir()) == [output]


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [1.0, 3.0, 4.0, 5.0])
def test_a_kill_leaves_no_file_or_a_whole_one(seconds, checkpoint, output):
    words = [sys.executable, "-m", "mnist_core", "export", checkpoint, "--output", output]
    process = subprocess.Popen(list(map(str, words)), stdout=subprocess.DEVNULL)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if output.exists():
        onnx.checker.check_model(onnx.load(output), full_check=True)


def test_the_parser_knows_the_command_without_importing_torch_or_onnx(run_python):
    done = run_python(
        "-c",
        "import mnist_core.__main__, sys; sys.exit(bool({'torch', 'onnx'} & set(sys.modules)))",
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_onnx_runtime_stays_out_of_the_process_of_torch(checkpoint, tmp_path, run_python):
    arguments = ["export", str(checkpoint), "--output", str(tmp_path / "model.onnx")]
    done = run_python(
        "-c",
        "import sys; from mnist_core.__main__ import main; "
        f"sys.exit(main({arguments!r}) or 10 * ('onnxruntime' in sys.modules))",
    )
    assert done.returncode == 0, done.stderr
