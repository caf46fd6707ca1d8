"""Hold the prompts with which the engines over published weights begin."""

# Editors were trained on instructions, generators on descriptions of what is seen.
INSTRUCTION = (
    "Turn this simulator render into real camera footage: photorealistic materials, skin, light "
    "and shadows. Keep every object, its shape, its place and its motion."
)
DESCRIPTION = (
    "Real camera footage of this scene, photorealistic, with natural light, true materials and "
    "fine surface detail, soft shadows and reflections, shot on a professional camera."
)
NEGATIVE_PROMPT = (
    "computer graphics, video game, 3d render, cartoon, plastic, flat shading, aliasing, "
    "oversaturated, blurred, deformed, flickering, text, watermark"
)
