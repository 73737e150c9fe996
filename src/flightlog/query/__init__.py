"""One read-only SELECT over documented views, in a process of its own that is thrown away."""
