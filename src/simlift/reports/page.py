"""Write the text of one page that needs no network and no other file."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from simlift.core.strict_json import encode
from simlift.reports.model import ReportModel
from simlift.reports.previews import ClipPreviews, Preview

_SCRIPTS = ("player.js", "plots.js", "motion.js", "table.js", "report.js")


def write_page(model: ReportModel, previews: Sequence[ClipPreviews]) -> str:
    """Return the page; `previews` stand in the order of the model's clips."""
    style = _asset("report.css")
    script = '"use strict";\n' + "\n".join(_asset(name) for name in _SCRIPTS)
    contents: list[str] = []
    data = {
        **encode(model),
        "previews": [_clip_previews(clip, contents) for clip in previews],
        "linked": sum(p.link is not None for clip in previews for p in clip.every()),
    }
    for clip, entry in zip(data["clips"], model.clips, strict=True):
        clip["fps"] = float(entry.fps)
    return _fill(
        _asset("report.html"),
        {
            "title": html.escape(f"{model.run}: simlift report"),
            "policy": html.escape(_policy(style, script)),
            "style": style,
            "data": json_for_script(data),
            "previews": "\n".join(
                f'<script type="text/plain" id="preview-{i}">{content}</script>'
                for i, content in enumerate(contents)
            ),
            "script": script,
        },
    )


def json_for_script(data: object) -> str:
    """Write JSON that cannot end the script element around it, whatever the names in it say."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _clip_previews(clip: ClipPreviews, contents: list[str]) -> dict[str, Any]:
    return {
        "render": _preview(clip.render, contents) if clip.render else None,
        "twin": _preview(clip.twin, contents) if clip.twin else None,
        "takes": [_preview(preview, contents) for preview in clip.takes],
        "overlays": [
            {"name": name, **_preview(preview, contents)} for name, preview in clip.overlays
        ],
    }


def _preview(preview: Preview, contents: list[str]) -> dict[str, str | None]:
    element = None
    if preview.content is not None:
        # Base64 stands in elements of its own, so that the page decodes only the clip it shows.
        element = f"preview-{len(contents)}"
        contents.append(preview.content)
    return {"poster": preview.poster, "element": element, "link": preview.link}


def _policy(style: str, script: str) -> str:
    # Only this script and this style run, and nothing connects anywhere: a hostile name that got
    # past every escape would still find no way to act.
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "img-src data:",
            "media-src blob: 'self' file:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _fill(template: str, values: Mapping[str, str]) -> str:
    # One pass over the template alone: a marker inside a value stays what it is.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match.group(1)], template)


def _asset(name: str) -> str:
    return (resources.files("simlift.reports") / "assets" / name).read_text(encoding="utf-8")
