"""Convert colour spaces, transfer colour statistics, and map ids to colours."""
