"""The ways into the journal that are not our recorder: files of other tools, and events sent over HTTP."""
