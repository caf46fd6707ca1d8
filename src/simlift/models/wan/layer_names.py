"""Name the layers of a Wan transformer as its authors do, from the names that diffusers gives."""

import re

_PARTS = (
    (r"\.attn1\.", ".self_attn."),
    (r"\.attn2\.", ".cross_attn."),
    (r"\.to_(q|k|v)$", r".\1"),
    (r"\.to_out\.0$", ".o"),
    (r"\.add_(k|v)_proj$", r".\1_img"),
    (r"\.norm_added_k$", ".norm_k_img"),
    (r"(blocks\.\d+)\.norm2$", r"\1.norm3"),
    (r"(blocks\.\d+)\.ffn\.net\.0\.proj$", r"\1.ffn.0"),
    (r"(blocks\.\d+)\.ffn\.net\.2$", r"\1.ffn.2"),
    (r"(vace_blocks\.\d+)\.proj_in$", r"\1.before_proj"),
    (r"(vace_blocks\.\d+)\.proj_out$", r"\1.after_proj"),
    (r"(blocks\.\d+)\.scale_shift_table$", r"\1.modulation"),
    (r"^scale_shift_table$", "head.modulation"),
    (r"^proj_out$", "head.head"),
    (r"^condition_embedder\.text_embedder\.linear_1$", "text_embedding.0"),
    (r"^condition_embedder\.text_embedder\.linear_2$", "text_embedding.2"),
    (r"^condition_embedder\.time_embedder\.linear_1$", "time_embedding.0"),
    (r"^condition_embedder\.time_embedder\.linear_2$", "time_embedding.2"),
    (r"^condition_embedder\.time_proj$", "time_projection.1"),
    (r"^condition_embedder\.image_embedder\.norm1$", "img_emb.proj.0"),
    (r"^condition_embedder\.image_embedder\.ff\.net\.0\.proj$", "img_emb.proj.1"),
    (r"^condition_embedder\.image_embedder\.ff\.net\.2$", "img_emb.proj.3"),
    (r"^condition_embedder\.image_embedder\.norm2$", "img_emb.proj.4"),
)


def wan_name(name: str) -> str:
    """Return the authors' name of a layer or parameter."""
    for pattern, replacement in _PARTS:
        name = re.sub(pattern, replacement, name)
    return name
