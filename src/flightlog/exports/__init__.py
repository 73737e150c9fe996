"""Taking events out: what was recorded, in formats that others read. One module per format; `exports.stream` runs them."""
