"""For agents: what was recorded, over the Model Context Protocol. It reads, and changes nothing."""
