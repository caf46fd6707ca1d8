"""The card of an adapter, and its way to the Hub and back; the Hub is one that stands in for it."""

import inspect
import json
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import pytest

from simlift.core.errors import InputError, RecipeError, RunError
from simlift.core.pair import Pair
from simlift.core.strict_json import encode
from simlift.models.wan.adapter import CARD_KEY, FORMAT, AdapterCard
from simlift.models.wan.incontext import InContext
from simlift.passes.publish import push_adapter
from simlift.training.card import AdapterFacts, ExpertFacts, SetFacts, adapter_card, on_hub

FACTS = AdapterFacts(
    name="street-lift v1.0",
    base="Wan-AI/Wan2.2-T2V-A14B-Diffusers",
    licence="apache-2.0",
    experts=(ExpertFacts("high", "high.safetensors"), ExpertFacts("low", "low.safetensors")),
    rank=32,
    positions="shared",
    reference_attention="full",
    shift=5.0,
    boundary=0.875,
    height=480,
    width=832,
    num_frames=81,
    steps=3000,
    prompt_template="photorealistic video, {caption}",
    training_set=SetFacts(12, 972, {"twin": 12}, {"edge_f1": (0.61, 0.7, 0.88)}),
    evaluation=((0, 0.25), (1500, 0.0312), (3000, 0.04)),
)


def changed(**changes):
    return adapter_card(replace(FACTS, **changes))


GOLDEN = """\
---
base_model: Wan-AI/Wan2.2-T2V-A14B-Diffusers
base_model_relation: adapter
library_name: diffusers
pipeline_tag: video-to-video
license: apache-2.0
tags:
- lora
- in-context-lora
- video-to-video
- sim-to-real
- simlift
---

# street-lift v1.0

An in-context adapter (LoRA of rank 32, both experts) for Wan-AI/Wan2.2-T2V-A14B-Diffusers. It \
turns a simulator's render into photorealistic video: the render enters as clean reference tokens \
beside the tokens that are denoised. The text prompt changes weather and light.

## Use it with simlift

```
simlift lift CLIP --out RUN --engine wan --base Wan-AI/Wan2.2-T2V-A14B-Diffusers --adapter ADAPTER
```

Prompts follow the template:

```
photorealistic video, {caption}
```

## Load it in diffusers

```python
import torch
from diffusers import WanPipeline

pipe = WanPipeline.from_pretrained("Wan-AI/Wan2.2-T2V-A14B-Diffusers", torch_dtype=torch.bfloat16)
pipe.load_lora_weights(
    "ADAPTER", weight_name="high.safetensors", adapter_name="street-lift_v1_0"
)
pipe.load_lora_weights(
    "ADAPTER", weight_name="low.safetensors", adapter_name="street-lift_v1_0", \
load_into_transformer_2=True
)
```

This loads the weights. `WanPipeline` itself has no place for a reference video: alone it \
generates from text, and what the adapter learned needs the render's tokens, which simlift \
brings in.

## What inference must match

| setting | value |
| --- | --- |
| base | Wan-AI/Wan2.2-T2V-A14B-Diffusers |
| experts | high: `high.safetensors`, low: `low.safetensors` |
| rank | 32 |
| reference | render |
| positions of the reference | shared |
| reference attention | full |
| sigma shift | 5 |
| boundary | 0.875 |
| trained at | 832x480, 81 frames |
| steps of training | 3000 |

## Trained on

12 pairs of a render and its photoreal twin (12 twin), 972 frames of each. What admitted them:

| gate | least | median | most |
| --- | --- | --- | --- |
| edge_f1 | 0.61 | 0.7 | 0.88 |

## Evaluation

Flow-matching loss on held noise, sigmas and clips: 0.25 at step 0, 0.04 at step 3000, least \
0.0312 at step 1500.

| step | loss |
| --- | --- |
| 0 | 0.25 |
| 1500 | 0.0312 |
| 3000 | 0.04 |
"""


def test_the_card_is_this():
    assert adapter_card(FACTS) == GOLDEN


def metadata(text):
    yaml = pytest.importorskip("yaml")
    _, front, _ = text.split("---\n", 2)
    return yaml.safe_load(front)


def test_the_metadata_is_yaml():
    assert metadata(adapter_card(FACTS)) == {
        "base_model": "Wan-AI/Wan2.2-T2V-A14B-Diffusers",
        "base_model_relation": "adapter",
        "library_name": "diffusers",
        "pipeline_tag": "video-to-video",
        "license": "apache-2.0",
        "tags": ["lora", "in-context-lora", "video-to-video", "sim-to-real", "simlift"],
    }


def test_the_hub_s_own_reader_takes_it():
    hub = pytest.importorskip("huggingface_hub")
    card = hub.ModelCard(adapter_card(FACTS))
    assert card.data.base_model == FACTS.base
    assert card.data.license == "apache-2.0"


@pytest.mark.parametrize("licence", ['for "study" only: ask', "CC BY 4.0", "#1", "no: yes"])
def test_any_words_are_a_licence(licence):
    found = metadata(changed(licence=licence))
    assert (found["license"], found["license_name"]) == ("other", licence)


@pytest.mark.parametrize("licence", ["no", "null", "3.0", "mit"])
def test_a_licence_stays_text(licence):
    assert metadata(changed(licence=licence))["license"] == licence


def test_where_a_base_lies_is_not_told(tmp_path):
    base = tmp_path / "secret" / "tiny-wan"
    base.mkdir(parents=True)
    text = changed(base=str(base))
    assert "secret" not in text
    assert "--base tiny-wan" in text
    assert "base_model" not in metadata(text)


def test_a_folder_here_is_no_name_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "wan").mkdir(parents=True)
    assert not on_hub("models/wan")
    assert on_hub("owner/wan")
    assert not on_hub("wan")


def test_a_single_expert_and_no_evaluation():
    text = changed(
        experts=(ExpertFacts("single", "single.safetensors"),), boundary=None, evaluation=()
    )
    assert "(LoRA of rank 32, the one transformer)" in text
    assert "load_into_transformer_2" not in text
    assert "| boundary | none |" in text
    assert text.endswith("## Evaluation\n\nNot measured.\n")
    assert "one expert" in changed(experts=FACTS.experts[1:])


def test_a_long_curve_keeps_its_ends():
    text = changed(evaluation=tuple((i, 1 / (i + 1)) for i in range(100)))
    rows = text.rpartition("| --- | --- |\n")[2].splitlines()
    assert len(rows) == 12
    assert rows[0].startswith("| 0 |")
    assert rows[-1].startswith("| 99 |")


def test_templates_cannot_break_out_of_the_card():
    text = changed(prompt_template="a ``` b | c", positions="a|b")
    assert "````\na ``` b | c\n````" in text
    assert "| positions of the reference | a\\|b |" in text


def test_a_repository_s_name_stands_in_the_commands():
    text = changed(repository="me/street")
    assert "--adapter me/street" in text
    assert text.count('"me/street", weight_name=') == 2


def test_a_set_is_counted():
    def pair(name, origin, gates):
        return Pair(
            id=name, caption="a", video=Path("v"), reference_video=Path("r"), num_frames=9,
            height=16, width=16, fps=Fraction(16), source="s", start=0, origin=origin,
            video_digest="", reference_digest="", seeds={}, models={}, gates=gates,
        )  # fmt: skip

    found = SetFacts.of(
        [
            pair("a", "twin", {"f1": 0.5}),
            pair("b", "keyframed", {"f1": 0.9, "shift": 0.25}),
            pair("c", "twin", {"f1": 0.6}),
        ]
    )
    assert found == SetFacts(
        3, 27, {"keyframed": 1, "twin": 2}, {"f1": (0.5, 0.6, 0.9), "shift": (0.25, 0.25, 0.25)}
    )
    assert "27 frames of each." in changed(training_set=SetFacts(3, 27, {"twin": 3}, {}))


@dataclass
class Info:
    private: bool


@dataclass
class FakeHub:
    """Keeps what was brought up; a repository may be there already."""

    public: bool = False
    refuses: str = ""
    calls: list = field(default_factory=list)

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool):
        if self.refuses:
            raise OSError(self.refuses)
        self.calls.append(("create", repo_id, private, exist_ok))
        return f"hub/{repo_id}"

    def repo_info(self, repo_id: str):
        return Info(private=not self.public)

    def upload_folder(
        self, *, repo_id: str, folder_path: str, allow_patterns: list[str], commit_message: str
    ):
        self.calls.append(("upload", repo_id, folder_path, allow_patterns))


CARD = AdapterCard(
    format=FORMAT, base="tiny", base_digest="0", expert="high", rank=4, alpha=4.0,
    targets=("attn1.to_q",), incontext=InContext(), shift=5.0, boundary=0.875, height=32, width=32,
    num_frames=9, prompt_template="{caption}", prefix_share=0.0, steps=2, pairs="0",
)  # fmt: skip


def write_weights(path, card=CARD):
    header = {"w": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}
    if card is not None:
        header["__metadata__"] = {CARD_KEY: json.dumps(encode(card))}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))


@pytest.fixture
def adapter(tmp_path):
    folder = tmp_path / "adapter"
    folder.mkdir()
    write_weights(folder / "high.safetensors")
    (folder / "README.md").write_text(GOLDEN)
    (folder / "optimizer.pt").write_bytes(b"not for others")
    return folder


def test_an_adapter_goes_up_and_nothing_else(adapter):
    hub = FakeHub()
    assert push_adapter(adapter, "me/street", api=hub) == "hub/me/street"
    assert hub.calls == [
        ("create", "me/street", True, True),
        ("upload", "me/street", str(adapter), ["README.md", "high.safetensors"]),
    ]


def test_what_was_asked_to_be_private_is_not_added_to_a_public_repository(adapter):
    hub = FakeHub(public=True)
    with pytest.raises(RunError, match="is there already, and public"):
        push_adapter(adapter, "me/street", api=hub)
    assert [call[0] for call in hub.calls] == ["create"]
    push_adapter(adapter, "me/street", private=False, api=hub)
    assert hub.calls[-1][0] == "upload"


def test_what_the_hub_refuses_is_said(adapter):
    with pytest.raises(
        RunError, match=r"did not take it \(OSError: 401 who are you\).*hf auth login"
    ):
        push_adapter(adapter, "me/street", api=FakeHub(refuses="401 who are you\nlong text"))


def refuse(adapter, words, repo="me/street", kind=InputError):
    hub = FakeHub()
    with pytest.raises(kind, match=words):
        push_adapter(adapter, repo, api=hub)
    assert hub.calls == []


def test_folders_that_are_no_adapter_send_nothing(adapter, tmp_path):
    refuse(tmp_path, "holds no weights")
    refuse(adapter, "allowed: owner/name", repo="street")
    whole = (adapter / "high.safetensors").read_bytes()
    (adapter / "high.safetensors").write_bytes(whole[:-1])
    refuse(adapter, "its header promises", kind=RecipeError)
    write_weights(adapter / "high.safetensors", card=None)
    refuse(adapter, "a LoRA without the card", kind=RecipeError)
    (adapter / "high.safetensors").write_bytes(whole)
    (adapter / "README.md").unlink()
    refuse(adapter, r"holds no README\.md.*adapter_card")


def test_the_real_hub_takes_these_arguments():
    hub = pytest.importorskip("huggingface_hub")
    for name in ("create_repo", "repo_info", "upload_folder"):
        ours = set(inspect.signature(getattr(FakeHub, name)).parameters)
        assert ours <= set(inspect.signature(getattr(hub.HfApi, name)).parameters)
