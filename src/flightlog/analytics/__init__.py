"""Ready answers: what calls, tools, runs, permissions and feedback come to, over all that the store and its archive hold."""
