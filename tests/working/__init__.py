"""Workers and how pipelines come to them."""
