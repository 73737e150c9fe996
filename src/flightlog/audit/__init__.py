"""Who did what, and who was allowed to: audit records and decisions on permissions, and those whose run or task is unknown."""
