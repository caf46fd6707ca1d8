"""Light that reaches surfaces and leaves them: environments, shadows, indirect light."""
