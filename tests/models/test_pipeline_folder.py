"""Folders of pipelines: whatever is missing, cut short or unsafe is said before torch is loaded."""

import json
import shutil

import pytest

from simlift.core.errors import RecipeError
from simlift.models.hub.locate import locate
from simlift.models.hub.pipeline_folder import PipelineFolder, check_whole, find_pipeline


def safetensors(path, numbers=bytes(16), name="w"):
    header = {name: {"dtype": "U8", "shape": [len(numbers)], "data_offsets": [0, len(numbers)]}}
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(text).to_bytes(8, "little") + text + numbers)
    return path


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))


@pytest.fixture
def wan(tmp_path):
    """A pipeline's folder with a sharded transformer, a whole one, and none of the rest."""
    folder = tmp_path / "wan"
    write(
        folder / "model_index.json",
        {
            "_class_name": "WanPipeline",
            "boundary_ratio": 0.875,
            "transformer": ["diffusers", "WanTransformer3DModel"],
            "vae": ["diffusers", "AutoencoderKLWan"],
            "transformer_2": [None, None],
        },
    )
    write(folder / "transformer/config.json", {"num_layers": 2})
    write(folder / "vae/config.json", {"z_dim": 16})
    names = [f"diffusion_pytorch_model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    for i, name in enumerate(names):
        safetensors(folder / "transformer" / name, bytes([i]) * 64, f"w{i}")
    write(
        folder / "transformer/diffusion_pytorch_model.safetensors.index.json",
        {"weight_map": {"w0": names[0], "w1": names[1]}},
    )
    safetensors(folder / "vae/diffusion_pytorch_model.safetensors")
    return folder


def find(folder, kinds=("WanPipeline",), components=("transformer", "vae")):
    return find_pipeline(
        str(folder), purpose="lifting", kinds=kinds, components=components, extra="realmaster"
    )


def test_a_whole_pipeline_is_found(wan):
    found = find(wan)
    assert found.kind == "WanPipeline"
    assert "transformer" in found
    assert "transformer_2" not in found
    assert "boundary_ratio" not in found
    assert found.config("vae") == {"z_dim": 16}
    assert [path.name for path in found.weights("transformer")] == [
        "diffusion_pytorch_model-00001-of-00002.safetensors",
        "diffusion_pytorch_model-00002-of-00002.safetensors",
    ]


def refuse(wan, words, **how):
    with pytest.raises(RecipeError, match=words):
        find(wan, **how)


def test_a_missing_shard(wan):
    (wan / "transformer/diffusion_pytorch_model-00002-of-00002.safetensors").unlink()
    refuse(wan, r"1 of 2 shards are missing, such as diffusion_pytorch_model-00002.*interrupted")


def test_shards_without_their_index(wan):
    (wan / "transformer/diffusion_pytorch_model.safetensors.index.json").unlink()
    refuse(wan, r"holds shards, such as diffusion_pytorch_model-00001.*no index")


@pytest.mark.parametrize("left", [0, 5, 60, -1])
def test_a_file_that_is_cut_short(wan, left):
    path = wan / "vae/diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:left])
    refuse(wan, r"vae/diffusion_pytorch_model\.safetensors: (is no whole|holds \d+ bytes)")


def test_a_file_with_bytes_too_many(wan):
    path = wan / "vae/diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes() + b"x")
    refuse(wan, r"its header promises")


@pytest.mark.parametrize(
    "text", [b"[1, 2]", b'{"w": 3}', b'{"w": {"shape": []}}', b"{nope}", b"\xff\xff"]
)
def test_a_file_that_is_none(tmp_path, text):
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(RecipeError, match=r"a\.safetensors: is no safetensors file"):
        check_whole(path)


def test_a_link_into_a_cache_that_was_emptied(tmp_path):
    path = tmp_path / "a.safetensors"
    path.symlink_to(tmp_path / "gone")
    with pytest.raises(RecipeError, match="does not exist"):
        check_whole(path)


def test_a_file_without_tensors_is_whole(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes((2).to_bytes(8, "little") + b"{}")
    assert check_whole(path) == {}


def test_pickles_alone(wan):
    (wan / "vae/diffusion_pytorch_model.safetensors").rename(
        wan / "vae/diffusion_pytorch_model.bin"
    )
    refuse(wan, r"pickles alone \(diffusion_pytorch_model\.bin\).*no code")


def test_a_variant_alone(wan):
    path = wan / "vae/diffusion_pytorch_model.safetensors"
    path.rename(path.with_name("diffusion_pytorch_model.fp16.safetensors"))
    refuse(wan, r"a variant of the weights alone \(diffusion_pytorch_model\.fp16\.safetensors\)")


def test_a_variant_beside_the_weights_is_left_alone(wan):
    path = wan / "vae/diffusion_pytorch_model.safetensors"
    before = find(wan).digest("vae")
    safetensors(path.with_name("diffusion_pytorch_model.fp16.safetensors"), bytes(8))
    assert find(wan).weights("vae") == (path,)
    assert find(wan).digest("vae") == before


def test_no_weights(wan):
    (wan / "vae/diffusion_pytorch_model.safetensors").unlink()
    refuse(wan, r"vae: holds no weights")


def test_another_pipeline(wan):
    refuse(wan, r"is a 'WanPipeline'.*allowed: WanVACEPipeline", kinds=("WanVACEPipeline",))


def test_a_component_that_is_not_there(wan):
    refuse(wan, r"names no transformer_2", components=("transformer_2",))


def test_a_component_without_its_settings(wan):
    (wan / "vae/config.json").unlink()
    refuse(wan, r"vae: holds no config\.json")


@pytest.mark.parametrize("text", ["[]", '"WanPipeline"', "{", ""])
def test_an_index_that_is_none(wan, text):
    (wan / "model_index.json").write_text(text)
    refuse(wan, r"model_index\.json: (holds a|is not JSON)")


def test_a_folder_that_is_no_pipeline(tmp_path):
    refuse(tmp_path, r"holds no model_index\.json to use for lifting")


def test_a_name_that_is_none(tmp_path):
    refuse("no/such/folder", r"does not exist.*owner/model")


def test_the_digest_names_weights_and_settings(wan, tmp_path):
    copy = shutil.copytree(wan, tmp_path / "copy")
    parts = ("transformer", "vae")
    first = PipelineFolder("a", wan).digest(*parts)
    assert PipelineFolder("b", copy).digest(*parts) == first
    path = copy / "transformer/diffusion_pytorch_model-00002-of-00002.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    changed = PipelineFolder("b", copy).digest(*parts)
    assert changed != first
    assert PipelineFolder("b", copy).digest("vae") == PipelineFolder("a", wan).digest("vae")
    write(copy / "vae/config.json", {"z_dim": 48})
    assert PipelineFolder("b", copy).digest(*parts) not in (first, changed)


class FakeHub:
    """Stands in for the Hub: a cache that may hold the model, and a network that may be there."""

    def __init__(self, monkeypatch, cache=None, online=None):
        self.cache, self.online, self.asked = cache, online, []
        monkeypatch.setattr("huggingface_hub.snapshot_download", self)

    def __call__(self, name, *, allow_patterns, local_files_only=False, etag_timeout=10):
        self.asked.append("cache" if local_files_only else "network")
        assert not any(pattern.endswith((".bin", ".py", ".pt")) for pattern in allow_patterns)
        found = self.cache if local_files_only else self.online
        if found is None:
            raise FileNotFoundError(f"{name} is not here")
        return str(found)


def ask(name="owner/wan"):
    return locate(name, purpose="lifting", layout="a pipeline", extra="realmaster")


def test_a_cached_model_needs_no_network(wan, monkeypatch):
    pytest.importorskip("huggingface_hub")
    hub = FakeHub(monkeypatch, cache=wan)
    assert ask() == wan
    assert hub.asked == ["cache"]


def test_an_interrupted_download_goes_on(wan, tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub")
    whole = shutil.copytree(wan, tmp_path / "whole")
    (wan / "transformer/diffusion_pytorch_model-00002-of-00002.safetensors").unlink()
    hub = FakeHub(monkeypatch, cache=wan, online=whole)
    assert ask() == whole
    assert hub.asked == ["cache", "network"]


def test_an_interrupted_download_without_a_network_is_named_by_what_it_lacks(wan, monkeypatch):
    pytest.importorskip("huggingface_hub")
    (wan / "transformer/diffusion_pytorch_model-00002-of-00002.safetensors").unlink()
    FakeHub(monkeypatch, cache=wan)
    refuse("owner/wan", r"1 of 2 shards are missing")


def test_an_adapter_comes_by_name(tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub")
    safetensors(tmp_path / "high.safetensors")
    assert FakeHub(monkeypatch, cache=tmp_path) and ask("owner/adapter") == tmp_path


def test_no_network_and_no_cache(monkeypatch):
    pytest.importorskip("huggingface_hub")
    FakeHub(monkeypatch)
    with pytest.raises(RecipeError, match=r"the Hub does not give it.*hf download owner/wan"):
        ask()
