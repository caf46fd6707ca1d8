"""Define every score of `standard`: title, meaning, source, and which way is better."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from simlift.core.score import Direction

_HIGHER, _LOWER, _NEUTRAL = Direction.HIGHER, Direction.LOWER, Direction.NEUTRAL
_TRANSFER = "Cosmos TransferBench"
_DICE = "surface Dice, Nikolov et al. 2018"
_LAI = "Lai et al., ECCV 2018, with absolute differences"
_LAB = "CIELAB, CIE 1976"
_WANG = "Wang et al. 2004"
_KARRAS = "Karras et al. 2018, sec. 5"
_ZHANG = "Zhang et al. 2018, v0.1 AlexNet"
_OWN = "simlift"


@dataclass(frozen=True)
class Definition:
    """What a score is called and says, whose definition it follows, and which way is better."""

    title: str
    text: str
    source: str
    direction: Direction


DEFINITIONS: Mapping[str, Definition] = MappingProxyType(
    {
        "edge_f1": Definition(
            "Edges equal, pixel by pixel",
            "F1 of Canny edges (100, 200) of take and render, pixel by pixel, over all frames",
            _TRANSFER,
            _NEUTRAL,
        ),
        "edge_f1_near": Definition(
            "Edges kept",
            "share of the edges of take and render within 1 pixel of the other's, "
            "thresholds relative to each image's contrast",
            _DICE,
            _HIGHER,
        ),
        "moving_edge_f1": Definition(
            "Moving edges kept",
            "edge_f1_near where the render changed since the frame before",
            _DICE,
            _HIGHER,
        ),
        "edge_offset": Definition(
            "Edge offset",
            "shift of the frame, in pixels, at which edges of take and render overlap most",
            _OWN,
            _LOWER,
        ),
        "engine_edge_recall": Definition(
            "Geometry edges visible",
            "share of depth steps, folds and id borders with an edge of the take within 1 pixel",
            _OWN,
            _NEUTRAL,
        ),
        "engine_edge_recall_render": Definition(
            "Geometry edges visible, render",
            "engine_edge_recall of the render itself",
            _OWN,
            _NEUTRAL,
        ),
        "engine_edge_ratio": Definition(
            "Geometry edges kept",
            "engine_edge_recall of the take over that of the render",
            _OWN,
            _HIGHER,
        ),
        "blur_ssim": Definition(
            "Structure kept",
            "SSIM of take and render after texture, exposure and contrast are taken out",
            f"{_TRANSFER}; Wang et al. 2004",
            _HIGHER,
        ),
        "flicker": Definition(
            "Flicker",
            "change of surfaces from frame to frame along the render's motion, in codes",
            _LAI,
            _NEUTRAL,
        ),
        "flicker_render": Definition(
            "Flicker, render", "flicker of the render itself, in codes", _LAI, _NEUTRAL
        ),
        "flicker_ratio": Definition(
            "Flicker against the render",
            "flicker of the take over that of the render, each relative to its contrast",
            _LAI,
            _LOWER,
        ),
        "frozen": Definition(
            "Frozen frames",
            "share of frames in which the render moves and the take stands still",
            _OWN,
            _LOWER,
        ),
        "window_jump_ratio": Definition(
            "Window jumps",
            "change of the take where windows join over its median change elsewhere, "
            "relative to the render",
            "ComfyUI#8345",
            _LOWER,
        ),
        "colour_shift": Definition(
            "Colour shift", "distance of the mean colours of take and render", _LAB, _NEUTRAL
        ),
        "colour_drift": Definition(
            "Colour drift",
            "how far the take's mean colour, seen from the render's, wanders",
            _LAB,
            _LOWER,
        ),
        "clipped": Definition(
            "Clipped", "share of pixels with a channel of 254 or more", _OWN, _NEUTRAL
        ),
        "clipped_render": Definition(
            "Clipped, render", "clipped of the render itself", _OWN, _NEUTRAL
        ),
        "newly_clipped": Definition(
            "Newly clipped",
            "share of pixels that clip in the take and not in the render",
            _OWN,
            _LOWER,
        ),
        "black": Definition("Black", "share of pixels with luma of 2 or less", _OWN, _NEUTRAL),
        "black_render": Definition("Black, render", "black of the render itself", _OWN, _NEUTRAL),
        "newly_black": Definition(
            "Newly black",
            "share of pixels that are black in the take and not in the render",
            _OWN,
            _LOWER,
        ),
        "blank_frames": Definition(
            "Blank frames",
            "share of frames that show nothing where the render shows something",
            _OWN,
            _LOWER,
        ),
        "repeated_frames": Definition(
            "Repeated frames",
            "share of pairs in which the render changes and the take's frame comes once more",
            _OWN,
            _LOWER,
        ),
        "robot_offset": Definition(
            "Robot offset",
            "shift, in pixels, at which edges of take and render around the robot overlap most",
            _OWN,
            _LOWER,
        ),
        "robot_edge_ratio": Definition(
            "Robot outline kept",
            "share of the robot's outline with an edge within 1 pixel, take over render",
            _OWN,
            _HIGHER,
        ),
        "robot_moving_edge_ratio": Definition(
            "Robot outline kept, moving",
            "robot_edge_ratio where the outline moved since the frame before",
            _OWN,
            _HIGHER,
        ),
        "robot_iou": Definition(
            "Robot's mask",
            "IoU of the robot's mask and the pixels around it that have its colours",
            _OWN,
            _NEUTRAL,
        ),
        "first_frame_drift": Definition(
            "First-frame drift",
            "distance of what stands still in the render from the take's first frame",
            _LAB,
            _LOWER,
        ),
        "first_frame_structure": Definition(
            "First-frame structure",
            "correlation of the details of what stands still with those of the take's first frame",
            _OWN,
            _HIGHER,
        ),
        "object_offset": Definition(
            "Object offset",
            "median distance, in pixels, of moving objects from where the simulator put them",
            _OWN,
            _LOWER,
        ),
        "object_offset_render": Definition(
            "Object offset, render",
            "object_offset of the render itself: the error of the tracker",
            _OWN,
            _NEUTRAL,
        ),
        "object_persistence": Definition(
            "Objects there",
            "share of frames in which a moving object is found that the render shows",
            _OWN,
            _HIGHER,
        ),
        "object_persistence_render": Definition(
            "Objects there, render",
            "object_persistence of the render itself: the error of the tracker",
            _OWN,
            _NEUTRAL,
        ),
        "release_persistence": Definition(
            "Objects there after release",
            "object_persistence after the robot let go",
            _OWN,
            _HIGHER,
        ),
        "release_persistence_render": Definition(
            "Objects there after release, render",
            "release_persistence of the render itself: the error of the tracker",
            _OWN,
            _NEUTRAL,
        ),
        "release_error": Definition(
            "Release error",
            "median distance, in pixels, of an object from its place after the robot let go",
            _OWN,
            _LOWER,
        ),
        "release_error_render": Definition(
            "Release error, render",
            "release_error of the render itself: the error of the tracker",
            _OWN,
            _NEUTRAL,
        ),
        "release_error_worst": Definition(
            "Release error, worst",
            "largest distance, in pixels, of an object from its place after the robot let go",
            _OWN,
            _LOWER,
        ),
        "release_error_worst_render": Definition(
            "Release error, worst, render",
            "release_error_worst of the render itself: the error of the tracker",
            _OWN,
            _NEUTRAL,
        ),
        "rest_error": Definition(
            "Rest error",
            "median distance, in pixels, of an object from its place once it should lie still",
            _OWN,
            _LOWER,
        ),
        "rest_error_render": Definition(
            "Rest error, render",
            "rest_error of the render itself: the error of the tracker",
            _OWN,
            _NEUTRAL,
        ),
        "release_time_error": Definition(
            "Release time error",
            "most frames by which a falling object is early or late on its path",
            _OWN,
            _LOWER,
        ),
        "release_time_error_render": Definition(
            "Release time error, render",
            "release_time_error of the render itself: the error of the tracker",
            _OWN,
            _NEUTRAL,
        ),
        "critic_score": Definition(
            "Critic",
            "what a vision model that was asked says of the take's physics and pictures, 1 to 5",
            "the model that was named",
            _HIGHER,
        ),
        "twin_psnr": Definition(
            "PSNR to the twin",
            "PSNR of take and twin, of the mean squared error over all frames; equal frames: 100",
            _WANG,
            _HIGHER,
        ),
        "twin_psnr_render": Definition(
            "PSNR to the twin, render", "twin_psnr of the render itself", _WANG, _NEUTRAL
        ),
        "twin_ssim": Definition(
            "SSIM to the twin", "SSIM of the gray frames of take and twin", _WANG, _HIGHER
        ),
        "twin_ssim_render": Definition(
            "SSIM to the twin, render", "twin_ssim of the render itself", _WANG, _NEUTRAL
        ),
        "twin_patches": Definition(
            "Texture distance to the twin",
            "sliced Wasserstein distance of 7 x 7 patches of take and twin over all scales, "
            "in deviations",
            _KARRAS,
            _LOWER,
        ),
        "twin_patches_render": Definition(
            "Texture distance to the twin, render",
            "twin_patches of the render itself",
            _KARRAS,
            _NEUTRAL,
        ),
        "twin_closed": Definition(
            "Texture distance closed",
            "share of the distance twin_patches from render to twin that the take closed",
            _OWN,
            _HIGHER,
        ),
        "twin_flicker": Definition(
            "Flicker against the twin",
            "flicker of the take over that of the twin, each relative to its contrast",
            _LAI,
            _LOWER,
        ),
        "twin_flicker_render": Definition(
            "Flicker against the twin, render", "twin_flicker of the render itself", _LAI, _NEUTRAL
        ),
        "lpips": Definition(
            "LPIPS to the twin",
            "perceptual distance of take and twin, where weights are at hand",
            _ZHANG,
            _LOWER,
        ),
        "lpips_render": Definition(
            "LPIPS to the twin, render", "lpips of the render itself", _ZHANG, _NEUTRAL
        ),
    }
)
