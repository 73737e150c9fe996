"""What goes into an evidence bundle beside the events: the program that checks it."""
