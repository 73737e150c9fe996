"""A small real agent and a small real project, so that there is a flight to look at. It uses what every user has."""
