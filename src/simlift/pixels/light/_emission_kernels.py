"""Add emitted light to an image (compiled)."""

from simlift.pixels._compile import compiled


@compiled
def add_emission(light, albedo, rows, columns, share):
    """Add to `light` [h w 3] what the pixels at `rows` and `columns` [n] emit: `share` [n] of their
    colour."""
    for i in range(rows.shape[0]):
        row, column = rows[i], columns[i]
        for c in range(3):
            light[row, column, c] += share[i] * albedo[row, column, c]
