"""The passes over clips: look, plan, lift, score, report, and where they run."""
