"""What `flightlog.recorder.redact` is made of: levels of escaping, the search in one text, the judges, what is compiled."""
