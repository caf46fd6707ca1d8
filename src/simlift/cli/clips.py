"""Define the verbs that inspect clips and make them."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from simlift.cli import options
from simlift.cli.options import (
    Clips,
    MaybeChoosing,
    MaybeFloat,
    MaybePath,
    MaybeReading,
    MaybeSize,
    MaybeText,
)

if TYPE_CHECKING:
    from simlift.core.clip import Clip


def inspect(
    clips: Clips, /, out: MaybePath = None, reading: MaybeChoosing = options.Choosing()
) -> int:
    """Say what is in a clip or a dataset, and draw contact sheets.

    Of a dataset, the first episode is looked at, or all --episodes stated.

    Args:
        clips: Folders, videos, images or datasets.
        out: Folder for the contact sheets. Without it, only words.
    """
    from simlift.core.dataset import select_episodes
    from simlift.passes.contact_sheet import contact_sheet, episode_sheet
    from simlift.passes.inspect import describe, describe_dataset
    from simlift.sources.datasets import format_of, open_dataset

    for path in clips or (None,):
        chosen = reading
        if path is not None and format_of(path) is not None:
            dataset = open_dataset(path, replace(reading.options(), camera=None))
            episodes = select_episodes(dataset, reading.episodes)
            describe_dataset(dataset, episodes, reading.seen(dataset), options.out)
            if reading.episodes is None:
                chosen = replace(reading, episodes=str(episodes[0].index))
        opened = options.open_clips(() if path is None else (path,), chosen)
        groups: dict[str, list[Clip]] = {}
        for clip in opened:
            describe(clip, options.out)
            groups.setdefault(clip.group, []).append(clip)
            if out is not None:
                sheet = contact_sheet(clip, out / f"{clip.name}.png")
                options.out.print(f"  sheet: {sheet}", markup=False)
        for group, members in groups.items():
            if out is not None and len(members) > 1:
                sheet = episode_sheet(members, out / f"{group}.png")
                options.out.print(f"  cameras of {group}: {sheet}", markup=False)
    return 0


def controls(
    clips: Clips,
    /,
    kind: str,
    out: Path,
    size: MaybeSize = None,
    lossless: bool = False,
    reading: MaybeChoosing = options.Choosing(),
) -> int:
    """Write condition videos of clips: skeletons, edges, depth, ids.

    Run it again to resume.

    Args:
        clips: Folders, videos or datasets.
        kind: Kinds with commas between: edges, engine-edges, depth, segmentation, blur, skeleton,
            trajectory-map, overlay.
        out: Folder of the videos; of several clips, one folder inside for each.
        size: Width and height at which skeletons and trajectory maps are drawn; without it, those
            of the clip.
        lossless: Code with FFV1 in .mkv, whose pixels are exact, instead of H.264 in .mp4.
    """
    from simlift.passes.control_videos import draw_clips, named_controls, unknown_grippers

    chosen = named_controls(kind, size)
    opened = options.open_clips(clips, reading)
    for path, there in draw_clips(
        opened, chosen, out, lossless=lossless, progress=options.progress()
    ):
        options.out.print(f"{'kept' if there else 'wrote'} {path}", markup=False, soft_wrap=True)
    for line in unknown_grippers(opened, chosen):
        options.out.print(f"note: {line}", markup=False)
    return 0


def init(
    folder: tyro.conf.Positional[Path],
    /,
    force: bool = False,
    reading: MaybeReading = options.Reading(),
) -> int:
    """Write clip.json for a folder of unknown layout; say what it found.

    Conventions are chosen by trying them against each other.

    Args:
        folder: Folder with frames, depth, ids, normals, a camera file.
        force: Write it although one is there, or although the layout is known.
    """
    from simlift.passes.init import init_folder
    from simlift.passes.inspect import print_findings

    made = init_folder(folder, reading.options(), force=force)
    for title, lines in (
        ("found", made.proposal.found),
        ("assumed", made.proposal.assumed),
        ("needs to be told", made.proposal.untold),
        ("not read", made.proposal.unread),
    ):
        for line in lines:
            options.out.print(f"  {title:<17}{line}", markup=False, highlight=False)
    print_findings(made.agreement, options.out)
    options.out.print(
        f"wrote {made.manifest}; see it with: simlift inspect {folder} --out .", markup=False
    )
    return 1 if made.agreement.contradictions else 0


def estimate(
    clip: tyro.conf.Positional[Path],
    /,
    out: Path,
    depth: MaybeText = None,
    segmentation: MaybeText = None,
    near: MaybeFloat = None,
    far: MaybeFloat = None,
    fov: MaybeFloat = None,
    device: str = "auto",
) -> int:
    """Give a plain video depth and segmentation, by models of yours.

    Run it again to resume.

    Args:
        clip: A video, or a folder of images.
        out: Folder of the clip that is made.
        depth: A depth model: a folder in the layout of transformers, or an id of the Hub.
        segmentation: A semantic segmentation model, named the same way.
        near: Metres at which the nearest things stand, for models of relative depth.
        far: Metres at which the farthest things stand.
        fov: The camera's horizontal field of view in degrees, where it is known.
        device: "cpu", "cuda", or "auto": cuda where torch finds it.
    """
    from simlift.models.vision.provenance import Estimate, advice
    from simlift.passes.estimate import estimate_clip
    from simlift.sources import open_clip

    settings = Estimate(depth, segmentation, near, far, fov)
    made = estimate_clip(
        open_clip(clip),
        out,
        settings,
        options.progress(),
        device=options.torch_device(device) if depth or segmentation else "cpu",
    )
    for line in advice(made):
        options.out.print(line, markup=False)
    options.out.print(f"estimated {out}; see it with: simlift inspect {out} --out .", markup=False)
    return 0
