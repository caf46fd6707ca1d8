"""Write clip.json for a folder of unknown layout, in the conventions under which it agrees."""

from dataclasses import dataclass
from pathlib import Path

from simlift.core.clip import Clip
from simlift.core.errors import ClipError, RunError
from simlift.core.read_options import ReadOptions
from simlift.evaluation.agreement import Agreement
from simlift.media.manifest import manifest_text
from simlift.passes.agreement import examine
from simlift.passes.init.choose import built, choose
from simlift.passes.init.propose import Proposal, propose
from simlift.sources import LAYOUTS

__all__ = ["InitResult", "init_folder"]

# Layouts that any folder of pictures fits: they say nothing of the other files in it.
_GENERAL = ("image sequence", "folder with one video")


@dataclass(frozen=True, eq=False)
class InitResult:
    """What was found, the clip it makes, and whether its layers agree."""

    manifest: Path
    proposal: Proposal
    clip: Clip
    agreement: Agreement


def init_folder(
    folder: Path,
    options: ReadOptions = ReadOptions(),
    *,
    force: bool = False,
) -> InitResult:
    """Write `clip.json` into a folder and open it; ClipError where nothing can be made of it.

    Layers are recognised by their names and contents. What names leave open is chosen by trying it:
    depth moved by the camera must meet the next frame, normals must agree with depth, borders must
    lie on edges. `options.near` and `far` are the metres of depth that is a picture.
    """
    if not folder.is_dir():
        raise ClipError(folder, "is no folder", way_out="name the folder that holds the frames")
    manifest = folder / "clip.json"
    if manifest.exists() and not force:
        raise ClipError(
            manifest, "is there already", way_out="edit it, or --force to write it anew"
        )
    known = "" if force else _read_as_it_is(folder, options)
    if known:
        raise ClipError(
            folder,
            f"is read as it is: {known}",
            way_out=f"simlift inspect {folder}; or --force to write a clip.json instead",
        )
    proposal = choose(propose(folder, options))
    clip = built(proposal)
    agreement = examine(clip)
    partial = folder / ".clip.json.partial"
    try:
        partial.write_text(manifest_text(proposal.manifest), encoding="utf-8")
        partial.replace(manifest)
    except OSError as error:
        raise RunError(
            manifest,
            f"cannot be written ({error.strerror})",
            way_out="copy or link the folder to a place where you may write",
        ) from error
    return InitResult(manifest, proposal, clip, agreement)


def _read_as_it_is(folder: Path, options: ReadOptions) -> str:
    """Return the name of the layout that reads the folder without a clip.json, if one does."""
    for layout in LAYOUTS:
        if layout.name.startswith(_GENERAL) or not layout.recognises(folder):
            continue
        try:
            layout.read(folder, ReadOptions(camera=options.camera, tags=options.tags))
        except ClipError:
            continue  # it only looks like that layout
        return layout.name
    return ""
