"""Tasks: accepted once, run to the end, through states that a pipeline declares."""
