"""List the licences under which the weights of each engine come.

simlift ships none of these weights. The sentences say what the publisher's own page says; they are
no legal advice, and the page decides.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Licence:
    """The terms of one baseline: its engine name, what they say, and where they stand in full."""

    name: str
    licence: str
    where: str


LICENCES = (
    Licence(
        "lucy",
        "Lucy-Edit-Dev weights are for non-commercial use",
        "huggingface.co/decart-ai/Lucy-Edit-Dev",
    ),
    Licence(
        "ditto",
        "Ditto weights and data are cc-by-nc-sa-4.0 (no commercial use); Wan2.1-VACE is Apache-2.0",
        "huggingface.co/QingyanBai/Ditto_models",
    ),
    Licence(
        "cosmos",
        "Cosmos-Transfer2.5 weights are under the NVIDIA Open Model License, "
        "which ends where its guardrail is bypassed without an equal one",
        "huggingface.co/nvidia/Cosmos-Transfer2.5-2B",
    ),
    Licence(
        "ltx",
        "LTX-2 weights are under its community licence: "
        "companies of 10 million dollars of revenue or more need a paid one",
        "huggingface.co/Lightricks/LTX-2",
    ),
    Licence(
        "oscar",
        "OSCAR's code is Apache-2.0 and its card says apache-2.0; the weights it starts from, "
        "Cosmos-Predict2.5-2B, are under NVIDIA's model licence, and of its training data only "
        "the DROID part is free for commercial use (CC-BY-4.0), most of it is not",
        "huggingface.co/zywu2115/OSCAR-2B",
    ),
    Licence(
        "aleph",
        "Aleph runs at Runway under Runway's terms: "
        "frames leave this machine, and every second costs credits",
        "runwayml.com/terms-of-use",
    ),
)


def licence_of(name: str) -> str:
    """Return the sentence of a baseline."""
    return next(entry.licence for entry in LICENCES if entry.name == name)
