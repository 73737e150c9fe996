"""How Flightlog itself is doing, for Prometheus: counted where things happen, looked up when somebody asks."""
